"""The quick and the careful way through a file: the same values, the same refusals."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from marketdata import row_files
from marketdata.data_quality import Reason
from marketdata.row_files import parse_fast, parse_slow, read_rows
from marketdata.row_layouts import Cell, Column, Kind, Layout, RawRows, place

LAYOUT = Layout(
    (
        Column("ts", Kind.INSTANT),
        Column("day", Kind.DATE, is_needed=False),
        Column("price"),
        Column("size", cell=Cell.MAY, is_needed=False),
        Column("hint", cell=Cell.HINT, is_needed=False),
        Column("number", Kind.WHOLE, is_needed=False),
        Column("word", Kind.TEXT, cell=Cell.MAY, is_needed=False, longest=4),
        Column("side", Kind.CODE, codes=(("B", 1), ("S", -1)), unknown=Reason.UNKNOWN_SIDE),
    )
)
HEADER = "ts,day,price,size,hint,number,word,side,other"
GOOD = {
    "ts": ("2024-01-02T03:45:00Z", "2024-01-02 03:45:00.123456Z", "2024-03-10T09:15:00+05:30"),
    "day": ("2024-01-02", "1999-12-31"),
    "price": ("1", "-0.0", "1e5", ".5", "3.14159265358979", "0.1", "1e-320", "123456789.123456789"),
    "size": ("", "1", "0", "7.25"),
    "hint": ("", "0.25"),
    "number": ("0", "-5", "9223372036854775807", "007"),
    "word": ("", "P", "2000", "K"),
    "side": ("B", "S"),
    "other": ("", "x", "1"),
}
# What a hand, a spreadsheet or a broken disk leaves behind.
ODD = (
    *("", " ", " 1 ", "+1", "1_0", "nan", "NaN", "inf", "-Infinity", "nan(1)", "1e999", "1e-999"),
    *(
        "0x10",
        "0X1f",
        "1,5",
        "abc",
        "\u0661",
        "1.",
        "5.0",
        "9223372036854775808",
        "99999999999999999999",
    ),
    *(
        "2024-01-02",
        "2024-01-02T03:45:00",
        "2024-01-02T03:45Z",
        "2024-01-02T03Z",
        "20240102T034500Z",
    ),
    *("2024-01-02T03:45:60Z", "2024-01-02T24:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00Z"),
    *("9999-12-31T23:59:59Z", "2024-01-02T03:45:00.123456789Z", "2024-01-02T03:45:00+99:00"),
    *("2024-03-10T02:30:00", "2024-11-03T01:30:00", "0000-01-01", "2024-W01-1", "20240102", "now"),
    *('"B"', '"', "b", "B ", "toolong", "tab\t", "nul\x00", "é", "NULL", "N/A", "-", "\u2028"),
)
ZONES = (None, ZoneInfo("America/New_York"))


def row_of(names: list[str], odd_chance: int) -> st.SearchStrategy[str]:
    cells = [
        st.integers(0, odd_chance).flatmap(
            lambda n, name=name: st.sampled_from(ODD if n == 1 else GOOD[name])  # type: ignore[misc]
        )
        for name in names
    ]
    return st.tuples(*cells).map(",".join)


rows = st.lists(
    st.one_of(
        row_of(HEADER.split(","), 1_000),
        row_of(HEADER.split(","), 8),
        st.sampled_from(("", "  ", "rubbish", "1,2", "," * 9)),
    ),
    max_size=12,
)


def whole(chunks: list[RawRows]) -> tuple[Any, ...]:
    """Return everything of the rows as plain values; floats by their bits, nothing of bad rows."""
    fine = [int(at) for one in chunks for at in (one.reasons == 0)]
    columns = {
        name: [bits(value) for one in chunks for value in one.columns[name].tolist()]
        for name in chunks[0].columns
    }
    kept = {
        name: [v for v, is_fine in zip(c, fine, strict=True) if is_fine]
        for name, c in columns.items()
    }
    texts = [one.text(at) for one in chunks for at in range(len(one))]
    lines = [int(at) for one in chunks for at in one.line]
    return lines, [Reason(int(at)) for one in chunks for at in one.reasons], texts, kept


def bits(value: object) -> object:
    return np.float64(value).tobytes() if isinstance(value, float) else value


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=rows,
    end=st.sampled_from(("\n", "\r\n")),
    zone=st.sampled_from(ZONES),
    is_ended=st.booleans(),
)
@example(
    lines=["2024-01-02T03:45:00Z,2024-01-02,1,,,0x10,P,B,"], end="\n", zone=None, is_ended=True
)
def test_read_when_quick_gives_what_the_careful_way_gives(
    tmp_path: Path, lines: list[str], end: str, zone: ZoneInfo | None, is_ended: bool
) -> None:
    body = end.join(lines) + (end if is_ended else "")
    path = tmp_path / "rows.csv"
    path.write_bytes((HEADER + end + body).encode())
    layout = place((LAYOUT,), HEADER.split(","), named="rows")
    slow, _ = parse_slow(path, layout, body.encode(), 2, zone)
    if not len(slow):
        return
    assert whole(list(read_rows(path, (LAYOUT,), zone=zone))) == whole([slow])


@pytest.mark.parametrize("zone", ZONES)
def test_parse_fast_when_rows_are_clean_takes_them_whole(zone: ZoneInfo | None) -> None:
    layout = place((LAYOUT,), HEADER.split(","), named="rows")
    time = "2024-01-02T03:45:00" + ("" if zone else "Z")
    block = f"{time},2024-01-02,1.5,,0.25,7,P,B,x\n".encode() * 3
    fast = parse_fast(layout, block, 2, zone)
    assert fast is not None
    assert whole([fast]) == whole([parse_slow(Path("rows"), layout, block, 2, zone)[0]])


def test_read_when_one_row_is_bad_only_its_piece_is_read_slowly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = "2024-01-02T03:45:00Z,2024-01-02,1.5,,0.25,7,P,B,x"
    lines = [good] * 100
    lines[50] = "rubbish"
    path = tmp_path / "rows.csv"
    path.write_text("\n".join([HEADER, *lines]))
    monkeypatch.setattr(row_files, "PIECE_BYTES", 10 * len(good))
    chunks = list(read_rows(path, (LAYOUT,)))
    assert len(chunks) > 5
    assert [int(one) for chunk in chunks for one in chunk.line] == list(range(2, 102))
    assert [int(line) for chunk in chunks for line in chunk.line[chunk.reasons != 0]] == [52]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_read_when_blocks_end_anywhere_gives_the_same_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(
        ends.join(["ts,price,side", *(f"2024-01-02T03:45:00Z,{n},B" for n in range(40))]).encode()
    )
    expected = whole(list(read_rows(path, (LAYOUT,))))
    for size in (40, 57, 100, 1000):
        monkeypatch.setattr(row_files, "BLOCK_BYTES", size)
        assert whole(list(read_rows(path, (LAYOUT,)))) == expected
