"""Files of every kind, whole and broken."""

import gzip
import os
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.bars import Timeframe, from_micros, to_micros
from marketdata import row_files
from marketdata.bar_files import RawBars, read_bar_file
from marketdata.calendars import MICROS, Calendar, Sessions, calendar_named
from marketdata.data_quality import Reason
from marketdata.row_layouts import BadFileError

T = datetime(2024, 1, 2, 3, 45, tzinfo=UTC)
HEADER = "ts,open,high,low,close,volume\n"
ROW = "2024-01-02T03:45:00Z,10,12,9,11,5\n"


def read(path: Path, timeframe: Timeframe = Timeframe.M1, **options: Any) -> list[RawBars]:
    return list(read_bar_file(path, timeframe=timeframe, **options))


def written(folder: Path, text: str, name: str = "bars.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def reasons(chunks: list[RawBars]) -> list[Reason]:
    return [Reason(int(code)) for chunk in chunks for code in chunk.reasons]


def test_read_when_plain_csv_returns_columns(tmp_path: Path) -> None:
    (chunk,) = read(written(tmp_path, HEADER + ROW))
    bars = chunk.bars
    assert bars.opened_at.tolist() == [to_micros(T)]
    assert bars.closed_at.tolist() == [to_micros(T + timedelta(minutes=1))]
    assert [bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0]] == [
        *(10.0, 12.0, 9.0, 11.0, 5.0)
    ]
    assert (chunk.line.tolist(), chunk.text(0), reasons([chunk])) == (
        [2],
        ROW.strip(),
        [0],
    )


def test_read_when_gzip_whatever_the_name_returns_columns(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(gzip.compress((HEADER + ROW).encode()))
    assert len(read(path)[0]) == 1


def test_read_when_index_has_no_volume_column_leaves_it_unmeasured(
    tmp_path: Path,
) -> None:
    (chunk,) = read(written(tmp_path, "ts,open,high,low,close\n2024-01-02T03:45:00Z,1,1,1,1\n"))
    assert np.isnan(chunk.bars.volume).all()
    assert reasons([chunk]) == [Reason.FINE]


def test_read_when_volume_cell_is_empty_leaves_it_unmeasured(tmp_path: Path) -> None:
    text = HEADER + ROW + "2024-01-02T03:46:00Z,10,12,9,11,\n"
    (chunk,) = read(written(tmp_path, text))
    assert np.isnan(chunk.bars.volume).tolist() == [False, True]
    assert reasons([chunk]) == [Reason.FINE, Reason.FINE]


def test_read_when_extra_columns_ignores_them_in_any_order(tmp_path: Path) -> None:
    text = "Close,ts,bid_open,HIGH,open, low ,trades\n11,2024-01-02T03:45:00Z,x,12,10,9,\n"
    (chunk,) = read(written(tmp_path, text))
    assert (chunk.bars.open[0], chunk.bars.close[0], reasons([chunk])) == (
        10.0,
        11.0,
        [0],
    )


def test_read_when_session_dates_opens_at_midnight_and_closes_a_day_later(
    tmp_path: Path,
) -> None:
    text = "date,open,high,low,close,volume,split_factor\n2024-01-02,10,12,9,11,5,0.25\n"
    (chunk,) = read(written(tmp_path, text), Timeframe.D1)
    assert chunk.bars.opened_at.tolist() == [to_micros(datetime(2024, 1, 2, tzinfo=UTC))]
    assert chunk.bars.closed_at.tolist() == [to_micros(datetime(2024, 1, 3, tzinfo=UTC))]
    assert {name: values.tolist() for name, values in chunk.factors.items()} == {
        "split_factor": [0.25]
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2024-01-02T03:45:00Z,10,12,9\n", Reason.WRONG_COLUMN_COUNT),
        ("2024-01-02T03:45:00Z,10,12,9,11,5,6\n", Reason.WRONG_COLUMN_COUNT),
        ("2024-01-02T03:45:00,10,12,9,11,5\n", Reason.TIME_WITHOUT_ZONE),
        ("2024-01-02 03:45:00,10,12,9,11,5\n", Reason.TIME_WITHOUT_ZONE),
        ("2024-02-30T03:45:00Z,10,12,9,11,5\n", Reason.TIME_UNREADABLE),
        ("now,10,12,9,11,5\n", Reason.TIME_UNREADABLE),
        (",10,12,9,11,5\n", Reason.TIME_UNREADABLE),
        ("0204-01-02T03:45:00Z,10,12,9,11,5\n", Reason.TIME_OUT_OF_RANGE),
        ("2404-01-02T03:45:00Z,10,12,9,11,5\n", Reason.TIME_OUT_OF_RANGE),
        ("1704167100,10,12,9,11,5\n", Reason.TIME_UNREADABLE),
        ("2024-01-02T03:45:00Z,10,12,9,abc,5\n", Reason.NO_NUMBER),
        ("2024-01-02T03:45:00Z,1_0,12,9,11,5\n", Reason.NO_NUMBER),
        ("2024-01-02T03:45:00Z,,12,9,11,5\n", Reason.NO_NUMBER),
        ("2024-01-02T03:45:00Z,10,12,9,11,many\n", Reason.NO_NUMBER),
        ("2024-01-02T03:45:00Z,nan,12,9,11,5\n", Reason.NOT_FINITE),
        ("2024-01-02T03:45:00Z,10,inf,9,11,5\n", Reason.NOT_FINITE),
        ("2024-01-02T03:45:00Z,10,12,9,11,NaN\n", Reason.NOT_FINITE),
        ("2024-01-02T09:15:00+05:30,10,12,9,11,5\n", Reason.FINE),
        ('"2024-01-02T03:45:00Z","10",12,9,11,5\n', Reason.FINE),
    ],
)
def test_read_when_one_row_is_odd_says_why_and_keeps_the_rest(
    tmp_path: Path, row: str, reason: Reason
) -> None:
    (chunk,) = read(written(tmp_path, HEADER + ROW + row + ROW))
    assert reasons([chunk]) == [Reason.FINE, reason, Reason.FINE]
    assert (chunk.line[1], chunk.text(1)) == (3, row.strip())
    if reason is Reason.FINE:
        assert chunk.bars.opened_at.tolist() == [to_micros(T)] * 3


def test_read_when_blank_lines_and_windows_ends_keeps_line_numbers(
    tmp_path: Path,
) -> None:
    path = tmp_path / "bars.csv"
    path.write_bytes(("\ufeff" + HEADER + "\n" + ROW + "\n\n" + ROW).replace("\n", "\r\n").encode())
    (chunk,) = read(path)
    assert (chunk.line.tolist(), reasons([chunk])) == ([3, 6], [0, 0])


def test_read_when_many_rows_comes_in_blocks_with_running_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_files, "BLOCK_BYTES", len(HEADER) + 10 * len(ROW))
    chunks = read(written(tmp_path, HEADER + ROW * 25))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert [chunk.line[0] for chunk in chunks] == [2, 12, 22]


def test_read_when_cut_anyhow_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, HEADER + "".join(f"{T:%FT%TZ},{n + 1},99,1,2,\n" for n in range(30)))
    whole = read(path)
    monkeypatch.setattr(row_files, "BLOCK_BYTES", 101)
    parts = read(path)
    assert len(parts) > 5
    assert np.concatenate([one.bars.open for one in parts]).tolist() == whole[0].bars.open.tolist()


def broken(folder: Path, kind: str) -> Path:
    path = folder / "bars.csv.gz"
    packed = gzip.compress((HEADER + ROW * 5000).encode())
    contents = {
        "empty": b"",
        "header only": HEADER.encode(),
        "truncated gzip": packed[: len(packed) // 2],
        "damaged gzip": packed[:60] + bytes(20) + packed[80:],
        "trailing gzip rubbish": packed + b"rubbish",
        "truncated parquet": b"PAR1" + bytes(100),
        "binary": bytes(range(128, 256)) * 10,
        "error page": b"<html><body>502 Bad Gateway</body></html>",
        "other columns": b"time,o,h,l,c\n1,2,3,4,5\n",
        "semicolons": HEADER.replace(",", ";").encode() + ROW.encode(),
        "endless line": HEADER.encode() + b"x" * 30_000,
        "empty gzip": gzip.compress(b""),
    }
    path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "empty",
            "header only",
            "truncated gzip",
            "damaged gzip",
            "trailing gzip rubbish",
        ),
        *("truncated parquet", "binary", "error page", "other columns", "semicolons"),
        *("endless line", "empty gzip"),
    ],
)
def test_read_when_file_is_broken_refuses_in_one_line(tmp_path: Path, kind: str) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(BadFileError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_when_file_is_missing_or_no_plain_file_refuses(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("nowhere.csv", ".", "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(BadFileError):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("header", "word"), [("ts;open;high;low;close", "semicolons"), ("ts\topen", "tabs")]
)
def test_read_when_columns_are_parted_otherwise_says_what_to_do(
    tmp_path: Path, header: str, word: str
) -> None:
    with pytest.raises(BadFileError, match=f"parted by {word}; save it with commas"):
        read(written(tmp_path, header + "\n1;2\n"))


def test_read_when_zone_is_given_reads_its_wall_clock(tmp_path: Path) -> None:
    rows = "2024-01-02T09:15:00,10,12,9,11,5\n2024-01-02 09:16,10,12,9,11,5\n" + ROW
    kolkata = ZoneInfo("Asia/Kolkata")
    for text in (HEADER + rows, HEADER + rows.replace(ROW, "")):
        bars = [one.bars for one in read(written(tmp_path, text), zone=kolkata)]
        assert bars[0].opened_at[:2].tolist() == [to_micros(T), to_micros(T) + 60_000_000]


def test_read_when_clock_was_put_back_or_forward_refuses_those_rows(tmp_path: Path) -> None:
    times = ("2024-03-10T01:59", "2024-03-10T02:30", "2024-11-03T00:59", "2024-11-03T01:30")
    text = HEADER + "".join(f"{time},10,12,9,11,5\n" for time in times)
    (chunk,) = read(written(tmp_path, text), zone=ZoneInfo("America/New_York"))
    assert reasons([chunk]) == [
        *(Reason.FINE, Reason.TIME_SKIPPED, Reason.FINE, Reason.TIME_AMBIGUOUS),
    ]


def test_read_when_calendar_is_known_daily_bars_last_a_session(tmp_path: Path) -> None:
    days = ("2017-01-02", "2019-10-27", "2020-02-29")  # usual, Sunday evening, no session
    text = "date,open,high,low,close\n" + "".join(f"{day},1,1,1,1\n" for day in days)
    (chunk,) = read(written(tmp_path, text), Timeframe.D1, calendar=calendar_named("NSE"))
    spans = zip(chunk.bars.opened_at, chunk.bars.closed_at, strict=True)
    found = [f"{from_micros(opens):%m-%d %H:%M} {from_micros(ends):%H:%M}" for opens, ends in spans]
    assert found == [
        "01-02 03:45 10:00",
        "10-27 12:45 13:45",
        "02-29 00:00 00:00",
    ]


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.W1])
def test_read_when_session_has_a_break_bar_lasts_over_it(
    tmp_path: Path, timeframe: Timeframe
) -> None:
    opened_at, closed_at = np.array([[90_000, 95_000], [93_000, 99_000]]) * MICROS
    lunch = Sessions(np.array([1, 1]), opened_at, closed_at)
    text = "date,open,high,low,close\n1970-01-02,1,1,1,1\n"
    calendar = Calendar("", "UTC", lambda _: lunch)
    (chunk,) = read(written(tmp_path, text), timeframe, calendar=calendar)
    span = (int(chunk.bars.opened_at[0]) // MICROS, int(chunk.bars.closed_at[0]) // MICROS)
    assert span == ((90_000, 99_000) if timeframe is Timeframe.D1 else (86_400, 8 * 86_400))


def test_read_when_session_dates_but_intraday_timeframe_refuses(tmp_path: Path) -> None:
    path = written(tmp_path, "date,open,high,low,close\n2024-01-02,1,1,1,1\n")
    with pytest.raises(BadFileError, match="daily bars, not 5m"):
        read(path, Timeframe.M5)


def parquet(folder: Path, columns: dict[str, Any]) -> Path:
    path = folder / "bars.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_read_when_parquet_timestamps_returns_columns(tmp_path: Path, unit: str) -> None:
    path = parquet(
        tmp_path,
        {
            "ts": pa.array([T, T + timedelta(minutes=1)], pa.timestamp(unit, tz="Asia/Kolkata")),
            "open": [10.0, 10.0],
            "high": pa.array([12, 12], pa.int32()),
            "low": pa.array([9.0, 9.0], pa.float32()),
            "close": ["11", "11"],
            "volume": pa.array([5.0, None]),
            "other": [None, None],
        },
    )
    (chunk,) = read(path)
    assert chunk.bars.opened_at.tolist() == [
        to_micros(T),
        to_micros(T + timedelta(minutes=1)),
    ]
    assert chunk.bars.close.tolist() == [11.0, 11.0]
    assert np.isnan(chunk.bars.volume).tolist() == [False, True]
    assert (chunk.line.tolist(), reasons([chunk])) == ([1, 2], [0, 0])


def test_read_when_parquet_dates_or_texts_returns_sessions(tmp_path: Path) -> None:
    prices = {name: [1.0] for name in ("open", "high", "low", "close")}
    for day in (date(2024, 1, 2), "2024-01-02", datetime(2024, 1, 2)):
        (chunk,) = read(parquet(tmp_path, {"date": [day], **prices}), Timeframe.D1)
        assert chunk.bars.opened_at.tolist() == [to_micros(datetime(2024, 1, 2, tzinfo=UTC))]


def test_read_when_parquet_holds_odd_rows_says_why(tmp_path: Path) -> None:
    prices = {name: [1.0] * 4 for name in ("high", "low", "close")}
    path = parquet(
        tmp_path,
        {
            "ts": [f"{T:%FT%TZ}", "2024-01-02T03:45:00", None, f"{T:%FT%TZ}"],
            "open": [float("nan"), 1.0, 1.0, None],
            **prices,
        },
    )
    assert reasons(read(path)) == [
        Reason.NOT_FINITE,
        Reason.TIME_WITHOUT_ZONE,
        Reason.TIME_UNREADABLE,
        Reason.NO_NUMBER,
    ]


def test_read_when_parquet_lacks_columns_or_rows_refuses(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="columns missing"):
        read(parquet(tmp_path, {"ts": ["x"], "open": [1.0]}))
    empty = {name: pa.array([], pa.float64()) for name in ("open", "high", "low", "close")}
    with pytest.raises(BadFileError, match="no rows"):
        read(parquet(tmp_path, {"ts": pa.array([], pa.string()), **empty}))


def test_broken_when_gzip_damaged_is_really_damaged(tmp_path: Path) -> None:
    with pytest.raises((zlib.error, OSError, EOFError)):
        gzip.decompress(broken(tmp_path, "damaged gzip").read_bytes())
