"""What every kind of file has in common: numbering, order, the future, broken files."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketdata import row_files
from marketdata.data_quality import Reason
from marketdata.depth_files import LEVELS
from marketdata.file_kinds import FileKind, RunNumbers, read_kind
from marketdata.quote_files import QUOTES
from marketdata.row_layouts import BadFileError
from marketdata.tick_files import TRADES

NOW = 2_000_000_000_000_000
TRADE_HEADER = "ts,price,size,exchange,cond,suspicious"


def written(folder: Path, *lines: str) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


def reasons(path: Path, kind: FileKind) -> list[Reason]:
    found = read_kind(path, kind, now_micros=NOW)
    return [Reason(int(code)) for rows in found for code in rows.reasons]


@given(st.lists(st.lists(st.integers(0, 2), max_size=8), max_size=6))
def test_run_numbers_when_cut_anywhere_count_each_run_from_nought(parts: list[list[int]]) -> None:
    numbers = RunNumbers()
    found = [int(one) for part in parts for one in numbers.of([np.array(part, dtype=np.int64)])]
    expected: list[int] = []
    keys = [key for part in parts for key in part]
    for at, key in enumerate(keys):
        expected.append(expected[-1] + 1 if at and keys[at - 1] == key else 0)
    assert found == expected


def trade(millisecond: int, price: object = 10) -> str:
    return f"2024-01-02T03:45:00.{millisecond:03}Z,{price},1,P,,0"


def test_read_when_rows_share_an_instant_numbers_them_as_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [trade(at) for at in (1, 1, 1, 2, 2, 1, 1)]
    rows.insert(1, "rubbish")  # has no time, so it takes no number
    rows.insert(3, trade(1, -1))  # has one: once mended, it will stand where it stood
    path = written(tmp_path, TRADE_HEADER, *rows)
    for size in (10_000, 60, 90):
        monkeypatch.setattr(row_files, "BLOCK_BYTES", size)
        chunks = list(read_kind(path, TRADES, now_micros=NOW))
        kept = [rows.columns["seq"][rows.reasons == 0].tolist() for rows in chunks]
        assert [one for part in kept for one in part] == [0, 1, 3, 0, 1, 0, 1]


def test_read_when_time_is_in_the_future_refuses_the_row(tmp_path: Path) -> None:
    path = written(tmp_path, TRADE_HEADER, trade(1), "2040-01-02T03:45:00Z,1,1,P,,0")
    assert reasons(path, TRADES) == [Reason.FINE, Reason.IN_THE_FUTURE]


@pytest.mark.parametrize("block", [60, 10_000])
def test_read_when_messages_go_back_in_time_refuses_those(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(row_files, "BLOCK_BYTES", block)
    seconds = (1, 2, 2, 1, 3, 90)
    rows = [f"2024-01-02T03:45:{second:02}Z,0,delta,B,1,1,5" for second in seconds]
    rows.append("2024-01-02T03:45:02Z,0,delta,B,1,1,5")
    path = written(tmp_path, "ts,seq,type,side,price,qty,update_id", *rows)
    fine = Reason.FINE
    assert reasons(path, LEVELS) == [
        *(fine, fine, fine, Reason.TIME_WENT_BACK),
        *(fine, Reason.TIME_UNREADABLE, Reason.TIME_WENT_BACK),
    ]


def test_read_when_gzip_is_cut_off_refuses(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    rows = [f"2024-01-02T03:45:00.{n:06}Z,{n + 1},1,P,,0" for n in range(20_000)]
    packed = gzip.compress("\n".join([TRADE_HEADER, *rows]).encode())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BadFileError, match="broken or cut off"):
        list(read_kind(path, TRADES, now_micros=NOW))


@pytest.mark.parametrize("kind", [TRADES, QUOTES])
def test_read_when_columns_are_missing_names_them(tmp_path: Path, kind: FileKind) -> None:
    with pytest.raises(BadFileError, match="columns missing: "):
        reasons(written(tmp_path, "ts,high,low", "1,2,3"), kind)
