"""Splits found in prices, and read from factors."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from domain.bars import FloatArray, IntArray, Split, from_micros

# What companies do. Fractions nearer to 1 (bonus 1:10, special dividends) look alike in prices.
SIMPLE_RATIOS = tuple(
    sorted(
        ratio
        for simple in (
            *(Fraction(whole) for whole in (*range(2, 21), 25, 30, 40, 50, 100)),
            *(Fraction(3, 2), Fraction(4, 3), Fraction(5, 4)),
            *(Fraction(5, 3), Fraction(5, 2), Fraction(7, 2)),
        )
        for ratio in (simple, 1 / simple)
    )
)
FOUND_WITHIN = 0.005
DECLARED_WITHIN = 0.0001


def simple_ratio(value: float, within: float = FOUND_WITHIN) -> Fraction | None:
    """Return the simple fraction nearest to `value`, None when none lies `within` of it."""
    nearest = min(SIMPLE_RATIOS, key=lambda ratio: abs(value / float(ratio) - 1))
    return nearest if abs(value / float(nearest) - 1) <= within else None


def splits_in_prices(
    *, opened_at: IntArray, open_: FloatArray, close: FloatArray, adjusted_close: FloatArray
) -> tuple[Split, ...]:
    """Return the splits seen both in an adjusted close and in the raw prices, in time order.

    The ratio adjusted/raw jumps by a simple fraction where a split or a dividend falls; only
    at a split does the raw open gap by about as much, and only there is the fraction simple.
    """
    if len(close) < 2:
        return ()
    factor = adjusted_close / close
    jumps = factor[1:] / factor[:-1]
    gaps = open_[1:] / close[:-1]
    found: list[Split] = []
    for at in np.flatnonzero(np.abs(np.log(jumps)) > np.log(1.2)):
        ratio = simple_ratio(float(jumps[at]))
        if ratio is not None and _gaps_accordingly(float(gaps[at]), float(ratio)):
            found.append(Split(from_micros(int(opened_at[at + 1])), float(ratio)))
    return tuple(found)


def _gaps_accordingly(gap: float, ratio: float) -> bool:
    """Tell whether the open lies nearer to the split's price than to the old one."""
    return bool(abs(np.log(gap * ratio)) < abs(np.log(ratio)) / 2)


def splits_in_factors(*, opened_at: IntArray, split_factor: FloatArray) -> tuple[Split, ...]:
    """Return the splits declared by a column whose product with the price is split-adjusted.

    Rows without a factor (NaN, zero, negative) are passed over. Times must rise.
    """
    known = np.isfinite(split_factor) & (split_factor > 0)
    times, factors = opened_at[known], split_factor[known]
    if len(factors) < 2:
        return ()
    jumps = factors[1:] / factors[:-1]
    changed: Sequence[int] = np.flatnonzero(np.abs(jumps - 1) > DECLARED_WITHIN).tolist()
    return tuple(
        Split(from_micros(int(times[at + 1])), _declared(float(jumps[at]))) for at in changed
    )


def _declared(jump: float) -> float:
    """Return the ratio meant by a jump between factors of a few digits."""
    ratio = simple_ratio(jump, DECLARED_WITHIN)
    return float(ratio) if ratio is not None else round(jump, 8)
