"""Books by level and by order."""

import math
from pathlib import Path

import pytest

from marketdata.data_quality import Reason
from marketdata.depth_files import LEVELS, MESSAGES
from marketdata.file_kinds import FileKind, read_kind
from marketdata.row_layouts import RawRows

NOW = 2_000_000_000_000_000
L2 = "ts,seq,type,side,price,qty,update_id"
L3 = "ts,ts_recv,action,side,price,size,order_id,flags,seq"
TIME = "2024-12-01T00:00:00.691Z"


def read(folder: Path, *lines: str, kind: FileKind) -> RawRows:
    path = folder / "book.csv"
    path.write_text("\n".join([*lines, ""]))
    (rows,) = read_kind(path, kind, now_micros=NOW)
    return rows


def test_read_when_levels_come_in_messages_numbers_their_places(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        L2,
        f"{TIME},0,snapshot,B,1.9531,6203,7",
        f"{TIME},0,snapshot,A,1.9532,2409,7",
        f"{TIME},1,delta,B,1.9531,0,8",
        kind=LEVELS,
    )
    names = ("seq", "place", "is_snapshot", "side", "price", "quantity", "update_id")
    assert list(zip(*(rows.columns[name].tolist() for name in names), strict=True)) == [
        (0, 0, True, 1, 1.9531, 6203.0, 7),
        (0, 1, True, -1, 1.9532, 2409.0, 7),
        (1, 0, False, 1, 1.9531, 0.0, 8),
    ]


def test_read_when_messages_are_about_orders_returns_their_columns(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        L3,
        f"{TIME},{TIME},A,B,4799,2,6412777162812,40,682",
        f"{TIME},{TIME},T,N,-37.63,2,0,130,683",
        f"{TIME},{TIME},R,N,,0,0,8,684",
        kind=MESSAGES,
    )
    names = ("seq", "action", "side", "size", "order_id", "flags", "venue_seq")
    assert list(zip(*(rows.columns[name].tolist() for name in names), strict=True)) == [
        (0, "A", 1, 2.0, 6412777162812, 40, 682),
        (1, "T", 0, 2.0, 0, 130, 683),
        (2, "R", 0, 0.0, 0, 8, 684),
    ]
    assert rows.columns["price"].tolist()[:2] == [4799.0, -37.63]
    assert math.isnan(rows.columns["price"][2])
    assert rows.reasons.tolist() == [Reason.FINE] * 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{TIME},{TIME},Q,B,1,2,3,4,5", Reason.UNKNOWN_KIND),
        (f"{TIME},{TIME},A,X,1,2,3,4,5", Reason.UNKNOWN_SIDE),
        (f"{TIME},{TIME},A,B,,2,3,4,5", Reason.NO_NUMBER),
        (f"{TIME},{TIME},A,B,1,-2,3,4,5", Reason.NEGATIVE_SIZE),
        (f"{TIME},{TIME},A,B,1,2,x,4,5", Reason.NO_NUMBER),
        (f"{TIME},{TIME},A,B,1,2,3,40000,5", Reason.TOO_LARGE),
        (f"{TIME},nine,A,B,1,2,3,4,5", Reason.TIME_UNREADABLE),
        (f"{TIME},{TIME},A,B,1,2,3,4", Reason.WRONG_COLUMN_COUNT),
    ],
)
def test_read_when_a_message_is_odd_says_why(tmp_path: Path, row: str, reason: Reason) -> None:
    assert read(tmp_path, L3, row, kind=MESSAGES).reasons.tolist() == [reason]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{TIME},0,partial,B,1,1,1", Reason.UNKNOWN_KIND),
        (f"{TIME},0,delta,N,1,1,1", Reason.UNKNOWN_SIDE),
        (f"{TIME},0,delta,B,0,1,1", Reason.PRICE_NOT_POSITIVE),
        (f"{TIME},0,delta,B,1,-1,1", Reason.NEGATIVE_SIZE),
    ],
)
def test_read_when_a_level_is_odd_says_why(tmp_path: Path, row: str, reason: Reason) -> None:
    assert read(tmp_path, L2, row, kind=LEVELS).reasons.tolist() == [reason]
