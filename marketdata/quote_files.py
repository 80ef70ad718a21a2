"""Files of quotes: each change of an exchange's bid and ask, and bars of bids and asks."""

import numpy as np
from numpy.typing import NDArray

from domain.bars import FloatArray, Timeframe
from marketdata.calendars import Calendar
from marketdata.data_quality import MICROS, Reason, Tests, off_grid
from marketdata.file_kinds import (
    FileKind,
    absent_when_zero,
    crossed,
    optional,
    price_tests,
    row_count,
    size_tests,
)
from marketdata.row_layouts import Cell, Column, Columns, Kind, Layout

SIDES = ("bid", "ask")
QUOTE_LINES = Layout(
    (
        Column("ts", Kind.INSTANT),
        *(Column(name, cell=Cell.MAY) for name in ("bid", "bid_size", "ask", "ask_size")),
        Column("exchange", Kind.TEXT, cell=Cell.MAY, longest=8, is_needed=False),
        Column("cond", Kind.TEXT, cell=Cell.MAY, is_needed=False),
        Column("is_suspicious", Kind.WHOLE, "suspicious", is_needed=False),
    )
)
BAR_PRICES = tuple(f"{side}_{name}" for side in SIDES for name in ("open", "high", "low", "close"))
QUOTE_BAR_LINES = Layout(
    (
        Column("opened_at", Kind.INSTANT, "ts"),
        *(Column(name) for name in BAR_PRICES),
        *(Column(f"{side}_size", cell=Cell.MAY, is_needed=False) for side in SIDES),
    )
)


def _finish(columns: Columns) -> Columns:
    """Return the columns of quotes; a side without price is absent, with its size."""
    rows = row_count(columns)
    found: Columns = {"ts": columns["ts"]}
    for side in SIDES:
        found[side] = absent_when_zero(columns[side])
        size = columns[f"{side}_size"]
        found[f"{side}_size"] = np.where(np.isnan(found[side]) & ~(size < 0), np.nan, size)
    is_suspicious = columns.get("is_suspicious", np.zeros(rows, dtype=np.int64)) != 0
    found["is_crossed"] = crossed(found["bid"], found["ask"])
    return found | {
        "exchange": columns.get("exchange", np.full(rows, "", dtype=object)),
        "cond": columns.get("cond", np.full(rows, "", dtype=object)),
        "is_suspicious": is_suspicious | found["is_crossed"],
    }


def _tests(columns: Columns) -> Tests:
    return (
        *price_tests(columns["bid"], columns["ask"], may_be_zero=True),
        *size_tests(columns["bid_size"], columns["ask_size"]),
    )


QUOTES = FileKind("quotes", (QUOTE_LINES,), _finish, _tests, number="seq")


def quote_bars(timeframe: Timeframe, calendar: Calendar | None = None) -> FileKind:
    """Return the kind of files of bid and ask bars of this timeframe."""

    def finish(columns: Columns) -> Columns:
        opened_at = columns["opened_at"]
        return {
            "opened_at": opened_at,
            "closed_at": opened_at + timeframe.seconds * MICROS,
            **{name: columns[name] for name in BAR_PRICES},
            **{f"{side}_size": optional(columns, f"{side}_size") for side in SIDES},
            "is_crossed": crossed(columns["bid_close"], columns["ask_close"]),
        }

    def tests(columns: Columns) -> Tests:
        bid, ask = ([columns[f"{side}_{name}"] for name in PRICE_NAMES] for side in SIDES)
        return (
            *price_tests(*bid, *ask),
            (Reason.HIGH_BELOW_LOW, (bid[1] < bid[2]) | (ask[1] < ask[2])),
            (Reason.OUTSIDE_HIGH_LOW, _outside(*bid) | _outside(*ask)),
            *size_tests(columns["bid_size"], columns["ask_size"]),
            (Reason.OFF_GRID, off_grid(columns["opened_at"], timeframe, calendar)),
        )

    return FileKind(
        f"{timeframe.value} quote bars", (QUOTE_BAR_LINES,), finish, tests, time="opened_at"
    )


PRICE_NAMES = ("open", "high", "low", "close")


def _outside(
    open_: FloatArray, high: FloatArray, low: FloatArray, close: FloatArray
) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (np.maximum(open_, close) > high) | (np.minimum(open_, close) < low)
    return found
