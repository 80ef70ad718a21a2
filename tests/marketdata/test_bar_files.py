"""Files of every kind, whole and broken."""

import gzip
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.bars import Timeframe, to_micros
from marketdata.bar_files import BadBarFileError, RawBars, read_bar_file
from marketdata.data_quality import Reason

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
    assert chunk.split_factor is not None
    assert chunk.split_factor.tolist() == [0.25]


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


def test_read_when_many_rows_comes_in_chunks_with_running_lines(tmp_path: Path) -> None:
    chunks = read(written(tmp_path, HEADER + ROW * 25), chunk_rows=10)
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert [chunk.line[0] for chunk in chunks] == [2, 12, 22]


def test_read_when_chunked_anyhow_gives_the_same_rows(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "".join(f"{T:%FT%TZ},{n + 1},99,1,2,\n" for n in range(30)))
    whole, parts = read(path), read(path, chunk_rows=7)
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
    with pytest.raises(BadBarFileError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_read_when_file_is_missing_or_a_folder_refuses(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(BadBarFileError):
            read(path)


def test_read_when_session_dates_but_intraday_timeframe_refuses(tmp_path: Path) -> None:
    path = written(tmp_path, "date,open,high,low,close\n2024-01-02,1,1,1,1\n")
    with pytest.raises(BadBarFileError, match="daily bars, not 5m"):
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
    with pytest.raises(BadBarFileError, match="columns missing"):
        read(parquet(tmp_path, {"ts": ["x"], "open": [1.0]}))
    empty = {name: pa.array([], pa.float64()) for name in ("open", "high", "low", "close")}
    with pytest.raises(BadBarFileError, match="no rows"):
        read(parquet(tmp_path, {"ts": pa.array([], pa.string()), **empty}))


def test_broken_when_gzip_damaged_is_really_damaged(tmp_path: Path) -> None:
    with pytest.raises((zlib.error, OSError, EOFError)):
        gzip.decompress(broken(tmp_path, "damaged gzip").read_bytes())
