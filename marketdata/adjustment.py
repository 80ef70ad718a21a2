"""Adjusted views of raw bars, computed from splits and dividends as they were known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

import numpy as np

from domain.bars import BarSeries, FloatArray, IntArray, Split, from_micros, to_micros


class Adjustment(Enum):
    """Which events are taken out of the prices; the value is its text."""

    RAW = "raw"
    SPLITS = "splits"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class DividendFactor:
    """Prices before `effective_at`, times `factor`, compare with prices from then on."""

    effective_at: datetime
    factor: float


def adjusted(
    bars: BarSeries,
    splits: Sequence[Split],
    dividends: Sequence[DividendFactor],
    mode: Adjustment,
    *,
    as_of: datetime | None = None,
) -> BarSeries:
    """Return the bars in the units and the worth of `as_of`, of the last event unless given.

    An event counts from its `effective_at` on: a view as of an earlier instant does not know it,
    so no bar is changed by what came later. Volumes follow the splits alone.
    """
    if mode is Adjustment.RAW:
        return bars
    split_factor = _factors(
        bars.opened_at, [(one.effective_at, 1 / one.ratio) for one in splits], as_of
    )
    price_factor = split_factor
    if mode is Adjustment.ALL:
        price_factor = split_factor * _factors(
            bars.opened_at, [(one.effective_at, one.factor) for one in dividends], as_of
        )
    return replace(
        bars,
        open=bars.open * price_factor,
        high=bars.high * price_factor,
        low=bars.low * price_factor,
        close=bars.close * price_factor,
        volume=bars.volume / split_factor,
    )


def dividends_in_factors(
    *, opened_at: IntArray, price_factor: FloatArray
) -> tuple[DividendFactor, ...]:
    """Return the dividends declared by a column whose product with the price is adjusted.

    Rows without a factor (NaN, zero, negative) are passed over. Times must rise.
    """
    known = np.isfinite(price_factor) & (price_factor > 0)
    times, factors = opened_at[known], price_factor[known]
    steps = factors[:-1] / factors[1:]
    return tuple(
        DividendFactor(from_micros(int(times[at + 1])), float(steps[at]))
        for at in np.flatnonzero(steps != 1)
    )


def _factors(
    opened_at: IntArray, events: Sequence[tuple[datetime, float]], as_of: datetime | None
) -> FloatArray:
    """Return, per bar, the product of the factors of events after its opening, known by then."""
    known = sorted(one for one in events if as_of is None or one[0] <= as_of)
    after = np.ones(len(known) + 1)
    after[:-1] = np.cumprod([factor for _, factor in known][::-1])[::-1]
    instants = np.array([to_micros(instant) for instant, _ in known], dtype=np.int64)
    factors: FloatArray = after[np.searchsorted(instants, opened_at, side="right")]
    return factors
