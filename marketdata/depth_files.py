"""Files of order books: changed price levels (L2), and messages about single orders (L3)."""

import numpy as np

from marketdata.data_quality import Reason, Tests
from marketdata.file_kinds import FileKind, price_tests, size_tests
from marketdata.row_layouts import Cell, Column, Columns, Kind, Layout

L2_LINES = Layout(
    (
        Column("ts", Kind.INSTANT),
        Column("seq", Kind.WHOLE),
        Column(
            *("is_snapshot", Kind.CODE, "type"),
            codes=(("snapshot", 1), ("delta", 0)),
            unknown=Reason.UNKNOWN_KIND,
        ),
        Column("side", Kind.CODE, codes=(("B", 1), ("A", -1)), unknown=Reason.UNKNOWN_SIDE),
        Column("price"),
        Column("quantity", heading="qty"),
        Column("update_id", Kind.WHOLE, is_needed=False),
    )
)
L3_LINES = Layout(
    (
        Column("ts", Kind.INSTANT),
        Column("received_at", Kind.INSTANT, "ts_recv", is_needed=False),
        Column(
            *("action", Kind.CODE),
            codes=tuple((action, ord(action)) for action in "ACMTFR"),
            unknown=Reason.UNKNOWN_KIND,
        ),
        Column(
            *("side", Kind.CODE),
            codes=(("B", 1), ("A", -1), ("N", 0)),
            unknown=Reason.UNKNOWN_SIDE,
        ),
        Column("price", cell=Cell.MAY),
        Column("size"),
        Column("order_id", Kind.WHOLE),
        Column("flags", Kind.WHOLE),
        Column("venue_seq", Kind.WHOLE, "seq", is_needed=False),
    )
)
HIGHEST_FLAGS = 2**15


def _levels(columns: Columns) -> Columns:
    return columns | {"is_snapshot": columns["is_snapshot"] != 0}


def _level_tests(columns: Columns) -> Tests:
    return (*price_tests(columns["price"]), *size_tests(columns["quantity"]))


def _messages(columns: Columns) -> Columns:
    # A clearing of the book has no price.
    actions = np.array([chr(code) for code in range(128)], dtype=object)
    return columns | {"action": actions[columns["action"]]}


def _message_tests(columns: Columns) -> Tests:
    """Return what is wrong with messages. Spreads and futures have traded below zero."""
    flags = columns["flags"]
    needs_price = np.isin(columns["action"].astype(str), ("A", "M", "T", "F"))
    return (
        (Reason.NO_NUMBER, np.isnan(columns["price"]) & needs_price),
        (
            Reason.TOO_LARGE,
            (np.abs(columns["price"]) >= 1e15) | (flags < 0) | (flags >= HIGHEST_FLAGS),
        ),
        *size_tests(columns["size"]),
    )


LEVELS = FileKind(
    "price levels",
    (L2_LINES,),
    _levels,
    _level_tests,
    run=("ts", "seq"),
    number="place",
    is_ordered=True,
)
MESSAGES = FileKind(
    "book messages", (L3_LINES,), _messages, _message_tests, number="seq", is_ordered=True
)
