"""Files of trades: of shares (no ids, per exchange) and of crypto venues (ids, aggressor)."""

import numpy as np

from marketdata.data_quality import Reason, Tests, expired
from marketdata.file_kinds import FileKind, price_tests, row_count, size_tests
from marketdata.row_layouts import Cell, Column, Columns, Kind, Layout

SHARE_TRADES = Layout(
    (
        Column("ts", Kind.INSTANT),
        Column("price"),
        Column("size", cell=Cell.MAY),
        Column("exchange", Kind.TEXT, cell=Cell.MAY, longest=8),
        Column("cond", Kind.TEXT, cell=Cell.MAY, is_needed=False),
        Column("is_suspicious", Kind.WHOLE, "suspicious", is_needed=False),
    )
)
CRYPTO_TRADES = Layout(
    (
        Column("ts", Kind.INSTANT),
        Column("trade_id", Kind.WHOLE),
        Column(
            *("side", Kind.CODE),
            cell=Cell.MAY,
            codes=(("buy", 1), ("sell", -1)),
            unknown=Reason.UNKNOWN_SIDE,
        ),
        Column("price"),
        Column("size", heading="amount", cell=Cell.MAY),
    )
)
# A derived forward: one price for each expiry.
FORWARDS = Layout(
    (
        Column("ts", Kind.INSTANT),
        Column("expiry", Kind.DATE),
        Column("price", heading="forward"),
    )
)
# Numbers of one instant are 4 bytes wide; ids of one instant lie close together.
ID_RANGE = 2**31


def _finish(columns: Columns) -> Columns:
    """Return the columns of ticks. Where trades have ids, the id numbers those of one instant:

    whatever order and pieces they arrive in, a trade gets the same key.
    """
    rows = row_count(columns)
    found = {
        "ts": columns["ts"],
        "price": columns["price"],
        "size": columns.get("size", np.full(rows, np.nan)),
        "side": columns.get("side", np.zeros(rows, dtype=np.int8)),
        "exchange": columns.get("exchange", np.full(rows, "", dtype=object)),
        "cond": columns.get("cond", np.full(rows, "", dtype=object)),
        "is_suspicious": columns.get("is_suspicious", np.zeros(rows, dtype=np.int64)) != 0,
    }
    for name in ("trade_id", "expiry"):
        if name in columns:
            found[name] = columns[name]
    if "trade_id" in columns:
        found["seq"] = columns["trade_id"] % ID_RANGE
    return found


def _tests(columns: Columns) -> Tests:
    tests = (*price_tests(columns["price"]), *size_tests(columns["size"]))
    if "expiry" not in columns:
        return tests
    return (*tests, (Reason.AFTER_EXPIRY, expired(columns["ts"], columns["expiry"])))


TRADES = FileKind("trades", (SHARE_TRADES, CRYPTO_TRADES), _finish, _tests, number="seq")
FORWARD_TICKS = FileKind(
    "forwards", (FORWARDS,), _finish, _tests, run=("ts", "expiry"), number="seq"
)
