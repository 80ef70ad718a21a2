"""Quotes of one side or two, and bars of quotes."""

import math
from pathlib import Path

import pytest

from domain.bars import Timeframe
from marketdata.calendars import calendar_named
from marketdata.data_quality import Reason
from marketdata.file_kinds import FileKind, read_kind
from marketdata.quote_files import QUOTES, quote_bars
from marketdata.row_layouts import RawRows

NOW = 2_000_000_000_000_000
HEADER = "ts,bid,bid_size,ask,ask_size,exchange,cond,suspicious"
SIDES = ("bid", "bid_size", "ask", "ask_size")
BAR_HEADER = (
    "ts,bid_open,bid_high,bid_low,bid_close,bid_size,ask_open,ask_high,ask_low,ask_close,ask_size"
)


def read(folder: Path, *lines: str, kind: FileKind = QUOTES) -> RawRows:
    path = folder / "quotes.csv"
    path.write_text("\n".join([*lines, ""]))
    (rows,) = read_kind(path, kind, now_micros=NOW)
    return rows


def quote(values: str) -> str:
    return f"2013-10-07T13:30:00.073Z,{values},K,1,0"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("13.91,16800,13.92,22000", (13.91, 16800, 13.92, 22000)),
        ("13.91,16800,0,0", (13.91, 16800, None, None)),
        ("0,0,13.92,22000", (None, None, 13.92, 22000)),
        (",,13.92,", (None, None, 13.92, None)),
        ("0,300,13.92,1", (None, None, 13.92, 1)),
    ],
)
def test_read_when_a_side_is_nought_or_empty_it_is_absent(
    tmp_path: Path, values: str, expected: tuple[float | None, ...]
) -> None:
    rows = read(tmp_path, HEADER, quote(values))
    found = [float(rows.columns[name][0]) for name in SIDES]
    assert tuple(None if math.isnan(one) else one for one in found) == expected
    assert rows.reasons.tolist() == [Reason.FINE]


def test_read_when_a_quote_is_crossed_keeps_and_flags_it(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER, quote("10,1,9,1"), quote("9,1,10,1"), quote("9,1,9,1"))
    assert rows.columns["is_suspicious"].tolist() == [True, False, False]
    assert rows.columns["is_crossed"].tolist() == [True, False, False]
    assert rows.reasons.tolist() == [Reason.FINE] * 3
    assert rows.columns["seq"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ("-1,1,9,1", Reason.PRICE_NEGATIVE),
        ("1,-1,9,1", Reason.NEGATIVE_SIZE),
        ("0,-1,9,1", Reason.NEGATIVE_SIZE),
        ("inf,1,9,1", Reason.NOT_FINITE),
        ("1e15,1,9,1", Reason.TOO_LARGE),
        ("a,1,9,1", Reason.NO_NUMBER),
    ],
)
def test_read_when_a_quote_is_odd_says_why(tmp_path: Path, values: str, reason: Reason) -> None:
    assert read(tmp_path, HEADER, quote(values)).reasons.tolist() == [reason]


def test_read_when_quote_bars_carry_sizes_or_mid_prices_takes_both_sides(tmp_path: Path) -> None:
    kind = quote_bars(Timeframe.M1)
    sized = read(tmp_path, BAR_HEADER, "2013-10-04T08:00:00Z,1,4,1,2,800,3,5,2,4,100", kind=kind)
    assert {name: one.tolist() for name, one in sized.columns.items() if "ask" in name} == {
        "ask_open": [3.0],
        "ask_high": [5.0],
        "ask_low": [2.0],
        "ask_close": [4.0],
        "ask_size": [100.0],
    }
    assert (sized.columns["closed_at"] - sized.columns["opened_at"]).tolist() == [60_000_000]
    header = "ts,open,high,low,close,bid_open,bid_high,bid_low,bid_close,"
    header += "ask_open,ask_high,ask_low,ask_close"
    mid = read(tmp_path, header, "2012-02-01T00:00:00Z,2,3,1,2,1,2,0.5,1,3,4,2,0.9", kind=kind)
    assert (mid.reasons.tolist(), mid.columns["is_crossed"].tolist()) == (
        [Reason.OUTSIDE_HIGH_LOW],
        [True],
    )
    assert math.isnan(mid.columns["bid_size"][0])


@pytest.mark.parametrize(
    ("time", "values", "reason"),
    [
        ("2013-10-04T08:00:00Z", "1,1,2,1,1,3,3,3,3,1", Reason.HIGH_BELOW_LOW),
        ("2013-10-04T08:00:00Z", "1,1,1,1,1,3,3,3,4,1", Reason.OUTSIDE_HIGH_LOW),
        ("2013-10-04T08:00:00Z", "0,1,0,1,1,3,3,3,3,1", Reason.PRICE_NOT_POSITIVE),
        ("2013-10-04T08:00:00Z", "1,1,1,1,-1,3,3,3,3,1", Reason.NEGATIVE_SIZE),
        ("2013-10-04T08:15:00Z", "1,1,1,1,1,3,3,3,3,1", Reason.OFF_GRID),
        ("2013-10-04T03:45:00Z", "1,1,1,1,1,3,3,3,3,1", Reason.FINE),
    ],
)
def test_read_when_a_quote_bar_is_odd_says_why(
    tmp_path: Path, time: str, values: str, reason: Reason
) -> None:
    kind = quote_bars(Timeframe.H1, calendar_named("NSE"))
    assert read(tmp_path, BAR_HEADER, f"{time},{values}", kind=kind).reasons.tolist() == [reason]
