"""Chains in both layouts, and the contracts in them."""

import math
from datetime import date
from pathlib import Path

import pytest

from marketdata.chain_files import CHAIN, Contract, contracts_in
from marketdata.data_quality import Reason
from marketdata.file_kinds import read_kind
from marketdata.row_layouts import RawRows

NOW = 2_000_000_000_000_000
GOOG = "ts,underlying,expiry,strike,right,bid,bid_qty,ask,ask_qty,last,volume,oi"
NIFTY = f"{GOOG},oi_change,iv"
TIME = "2015-12-24T14:31:00Z"


def read(folder: Path, *lines: str) -> RawRows:
    path = folder / "chain.csv"
    path.write_text("\n".join([*lines, ""]))
    (rows,) = read_kind(path, CHAIN, now_micros=NOW)
    return rows


def values(rows: RawRows, *names: str) -> list[float | None]:
    found = [float(rows.columns[name][0]) for name in names]
    return [None if math.isnan(one) else one for one in found]


def test_read_when_sides_are_empty_they_are_absent(tmp_path: Path) -> None:
    rows = read(tmp_path, GOOG, f"{TIME},GOOG,2015-12-24,590,P,,0,0.5,19,,,6")
    assert values(rows, "bid", "bid_size", "ask", "ask_size", "last", "volume") == [
        *(None, 0, 0.5, 19, None, None),
    ]
    assert values(rows, "open_interest", "open_interest_change", "implied_volatility") == [
        *(6, None, None),
    ]


def test_read_when_volatility_is_in_percent_it_becomes_a_fraction(tmp_path: Path) -> None:
    line = f"{TIME},NIFTY,2025-09-02,22600,P,0.95,153825,1,450075,0,31669,46706,-5695,30.16"
    rows = read(tmp_path, NIFTY, line, line.replace("30.16", "0"))
    assert values(rows, "last", "open_interest_change") == [None, -5695]
    assert rows.columns["implied_volatility"][0] == pytest.approx(0.3016, abs=1e-15)
    assert math.isnan(rows.columns["implied_volatility"][1])


def test_contracts_when_rows_name_them_are_each_found_once(tmp_path: Path) -> None:
    terms = ("GOOG,2015-12-31,592.5,C", "GOOG,2015-12-31,590,P", "GOOG,2015-12-31,592.5,C")
    rows = read(tmp_path, GOOG, *(f"{TIME},{one},1,1,2,1,,,0" for one in terms))
    contracts, which = contracts_in(rows.columns)
    assert [contracts[at] for at in which] == [
        Contract("GOOG", date(2015, 12, 31), 592.5, "C"),
        Contract("GOOG", date(2015, 12, 31), 590.0, "P"),
        Contract("GOOG", date(2015, 12, 31), 592.5, "C"),
    ]
    assert sorted(one.symbol for one in contracts) == [
        "GOOG-20151231-590-P",
        "GOOG-20151231-592.5-C",
    ]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (",2015-12-24,590,P,1,1,2,1,,,0", Reason.TEXT_UNREADABLE),
        ("GOOG,24.12.2015,590,P,1,1,2,1,,,0", Reason.TIME_UNREADABLE),
        ("GOOG,2015-12-24,0,P,1,1,2,1,,,0", Reason.PRICE_NOT_POSITIVE),
        ("GOOG,2015-12-24,590,X,1,1,2,1,,,0", Reason.UNKNOWN_SIDE),
        ("GOOG,2015-12-24,590,P,-1,1,2,1,,,0", Reason.PRICE_NEGATIVE),
        ("GOOG,2015-12-24,590,P,1,1,2,1,,,-1", Reason.NEGATIVE_SIZE),
        ("GOOG,2015-12-24,590,P,3,1,2,1,,,0", Reason.FINE),
        ("GOOG,2015-12-23,590,P,3,1,2,1,,,0", Reason.AFTER_EXPIRY),
    ],
)
def test_read_when_a_row_is_odd_says_why(tmp_path: Path, cells: str, reason: Reason) -> None:
    assert read(tmp_path, GOOG, f"{TIME},{cells}").reasons.tolist() == [reason]
