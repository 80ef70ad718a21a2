"""Trades in both layouts, and the derived forward."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.bars import from_micros
from marketdata.data_quality import Reason
from marketdata.file_kinds import read_kind
from marketdata.row_layouts import RawRows
from marketdata.tick_files import FORWARD_TICKS, TRADES

NOW = 2_000_000_000_000_000
SHARES = "ts,price,size,exchange,cond,suspicious"
CRYPTO = "ts,trade_id,side,price,amount,cost"


def read(folder: Path, *lines: str, kind: Any = TRADES) -> RawRows:
    path = folder / "trades.csv"
    path.write_text("\n".join([*lines, ""]))
    (rows,) = read_kind(path, kind, now_micros=NOW)
    return rows


def plain(rows: RawRows) -> list[tuple[Any, ...]]:
    names = ("seq", "price", "size", "side", "exchange", "cond", "is_suspicious")
    return list(zip(*(rows.columns[name].tolist() for name in names), strict=True))


def test_read_when_trades_are_of_shares_returns_their_columns(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        SHARES,
        "2013-10-07T08:00:00.614Z,13.94,500,P,20002020,0",
        "2013-10-07T08:00:00.614Z,13.94,500,P,20002020,1",
    )
    assert plain(rows) == [
        (0, 13.94, 500.0, 0, "P", "20002020", False),
        (1, 13.94, 500.0, 0, "P", "20002020", True),
    ]
    assert from_micros(rows.columns["ts"][0]).isoformat() == "2013-10-07T08:00:00.614000+00:00"
    assert "trade_id" not in rows.columns


def test_read_when_trades_have_ids_the_id_numbers_them(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        CRYPTO,
        "2019-10-11T00:00:11.620Z,13519808,sell,0.00141266,54,0.07628364",
        "2019-10-11T00:00:11.620Z,13519807,buy,0.00141342,23,0.03250866",
        "2019-10-11T00:00:11.620Z,4294967297,,0.1,,",
    )
    assert [one[:4] for one in plain(rows)][:2] == [
        (13519808, 0.00141266, 54.0, -1),
        (13519807, 0.00141342, 23.0, 1),
    ]
    assert (plain(rows)[2][0], plain(rows)[2][3], bool(np.isnan(plain(rows)[2][2]))) == (1, 0, True)
    assert rows.columns["trade_id"].tolist() == [13519808, 13519807, 4294967297]


@pytest.mark.parametrize(
    ("header", "row", "reason"),
    [
        (SHARES, "2013-10-07T08:00:00Z,0,1,P,,0", Reason.PRICE_NOT_POSITIVE),
        (SHARES, "2013-10-07T08:00:00Z,-1,1,P,,0", Reason.PRICE_NOT_POSITIVE),
        (SHARES, "2013-10-07T08:00:00Z,nan,1,P,,0", Reason.NOT_FINITE),
        (SHARES, "2013-10-07T08:00:00Z,1,-1,P,,0", Reason.NEGATIVE_SIZE),
        (SHARES, "2013-10-07T08:00:00Z,1e15,1,P,,0", Reason.TOO_LARGE),
        (SHARES, "2013-10-07T08:00:00Z,1,1e18,P,,0", Reason.TOO_LARGE),
        (SHARES, "2013-10-07T08:00:00,1,1,P,,0", Reason.TIME_WITHOUT_ZONE),
        (SHARES, "2013-10-07T08:00:00Z,1,1,P,0", Reason.WRONG_COLUMN_COUNT),
        (SHARES, "2013-10-07T08:00:00Z,1,1,EXCHANGES,,0", Reason.TEXT_UNREADABLE),
        (CRYPTO, "2013-10-07T08:00:00Z,1,hold,1,1,1", Reason.UNKNOWN_SIDE),
        (CRYPTO, "2013-10-07T08:00:00Z,x,buy,1,1,1", Reason.NO_NUMBER),
        (CRYPTO, "2013-10-07T08:00:00Z,99999999999999999999,buy,1,1,1", Reason.TOO_LARGE),
    ],
)
def test_read_when_a_trade_is_odd_says_why(
    tmp_path: Path, header: str, row: str, reason: Reason
) -> None:
    assert read(tmp_path, header, row).reasons.tolist() == [reason]


def test_read_when_forwards_are_derived_gives_one_price_per_expiry(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "ts,expiry,forward,spread_of_5",
        "2025-08-29T03:52:45Z,2025-09-02,24575.42,2.8",
        "2025-08-29T03:52:45Z,2025-09-09,24606.22,1.68",
        kind=FORWARD_TICKS,
    )
    assert [one[:2] for one in plain(rows)] == [(0, 24575.42), (0, 24606.22)]
    assert [f"{from_micros(day):%F}" for day in rows.columns["expiry"]] == [
        "2025-09-02",
        "2025-09-09",
    ]
