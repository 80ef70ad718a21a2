"""Ticks: one trade each, as a small value or as rows of one numpy array."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.bars import to_micros

# 32 bytes, every number on its natural boundary: machine code reads columns in place.
TICK = np.dtype(
    {
        "names": ["ts", "price", "size", "instrument", "side"],
        "formats": ["<i8", "<f8", "<f8", "<i4", "<i1"],
        "offsets": [0, 8, 16, 24, 28],
        "itemsize": 32,
    }
)
TickArray = NDArray[Any]  # rows of TICK


@dataclass(frozen=True, slots=True)
class Tick:
    """One trade, raw price; size None: not known. Side: +1 the buyer came, -1 the seller, 0 ?."""

    instrument_id: int
    at: datetime
    price: float
    size: float | None = None
    side: int = 0


def joined_ticks(parts: Sequence[TickArray]) -> TickArray:
    """Return the parts behind one another; numpy alone would pack the rows to 29 bytes."""
    return np.concatenate([np.zeros(0, dtype=TICK), *parts], dtype=TICK)


def tick_array(ticks: Sequence[Tick]) -> TickArray:
    """Return the ticks as rows of TICK, in the order given; an unknown size is NaN."""
    rows = np.zeros(len(ticks), dtype=TICK)
    rows["instrument"] = [tick.instrument_id for tick in ticks]
    rows["ts"] = [to_micros(tick.at) for tick in ticks]
    rows["price"] = [tick.price for tick in ticks]
    rows["size"] = [np.nan if tick.size is None else tick.size for tick in ticks]
    rows["side"] = [tick.side for tick in ticks]
    return rows
