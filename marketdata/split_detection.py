"""Splits found in prices, and read from factors."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from domain.bars import BarSeries, FloatArray, IntArray, Split, from_micros

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


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a jump must look like to be taken for a split by these ratios."""

    ratios: tuple[Fraction, ...]
    within: float  # of the ratio, relative
    least_gap: float  # in usual overnight gaps
    most_turnover: float  # in usual days' turnovers
    most_range: float  # in usual days' ranges, high over low


# Recorded splits (4 of India, 5 of the US) opened within 2.3 % of their ratio, at 80 to 540 usual
# gaps and 0.6 to 2.4 usual turnovers. Apple's warning of 29 September 2000 opened 5 % beside 2:1
# at 11 turnovers. Nobody makes two shares of three, so small reverse ratios are left out.
# A bonus of 1:10 or 1:5 moves prices like news does: only a day otherwise dull is taken for one.
# These limits were set with the one recorded case in sight (ICICI Bank, 20 June 2017).
LIKENESSES = (
    Likeness(
        tuple(one for one in SIMPLE_RATIOS if one > 1 or one.numerator == 1),
        *(0.03, 20.0, 4.0, float("inf")),
    ),
    Likeness((Fraction(11, 10), Fraction(6, 5)), 0.005, 25.0, 1.5, 1.5),
)
SMALLEST_GAP = np.log(1.09)
YEAR = 250  # trading days that say what is usual
MONTH = 20


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


def suspected_splits(bars: BarSeries) -> tuple[Split, ...]:
    """Return what looks like splits in raw daily bars with volume; nothing without volume.

    At a split the price opens at a simple fraction of the last close, many times further than it
    usually gaps over night, and nothing else happens: money turned over stays usual, while news
    that halve a price come with a crowd. What is usual are medians of the instrument's own days
    before, so 20 of them are needed. A suspicion, for a person to accept.
    """
    if len(bars) < 2:
        return ()
    gap = np.log(bars.open[1:] / bars.close[:-1])
    turnover, day_range = bars.close * bars.volume, np.log(bars.high / bars.low)
    found: list[Split] = []
    for before in np.flatnonzero(np.abs(gap) > SMALLEST_GAP).tolist():
        at = before + 1
        if at <= MONTH:
            continue
        ratio = _ratio_alike(
            float(np.exp(-gap[before])),
            gaps=_times_usual(np.abs(gap), before, YEAR),
            turnovers=_times_usual(turnover, at, MONTH),
            ranges=_times_usual(day_range, at, YEAR),
        )
        if ratio is not None:
            found.append(Split(from_micros(int(bars.opened_at[at])), float(ratio)))
    return tuple(found)


def _ratio_alike(jump: float, *, gaps: float, turnovers: float, ranges: float) -> Fraction | None:
    """Return the ratio that the jump is taken for; a comparison with NaN is never true."""
    for alike in LIKENESSES:
        ratio = min(alike.ratios, key=lambda one: abs(np.log(jump / float(one))))
        if (
            abs(jump / float(ratio) - 1) <= alike.within
            and gaps >= alike.least_gap
            and turnovers <= alike.most_turnover
            and ranges <= alike.most_range
        ):
            return ratio
    return None


def _times_usual(values: FloatArray, at: int, days: int) -> float:
    """Return how many times the median of the days before this one is."""
    usual = float(np.median(values[max(0, at - days) : at]))
    return float(values[at]) / usual if usual > 0 else float("inf")


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
