"""What makes a bar unusable: one reason for each row, found in whole columns at once."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.bars import BarSeries, FloatArray, IntArray, Timeframe, from_micros
from marketdata.calendars import CLOCK, DAY, Calendar

ReasonArray = NDArray[np.uint8]
Tests = Sequence[tuple["Reason", Any]]  # where each reason applies: bool per row

# The table's own limits (constraints of `Bar`): refused here with a word instead of an error.
HIGHEST_PRICE = 1e15
HIGHEST_VOLUME = 1e18
MICROS = 1_000_000
# So many steps of one other length do not come from silent minutes.
MIXED_IN_A_ROW = 20
# So many steps of one other length are another timeframe, not thin trading.
ENOUGH_TO_TELL = 20
# Of 100 steps so many may be shorter than the timeframe: a few doubled days. Bars of half its
# length have about 50.
MOST_SHORT_PERCENT = 25
# Of 100 steps so many may be shorter than the longer timeframe that a file is found to have.
MOST_ODD_PERCENT = 1
# The weeks of the ISO calendar begin on Mondays; day 0 (1970-01-01) was a Thursday.
DAYS_BEFORE_MONDAY = 3


class Reason(IntEnum):
    """Why a row is refused; `FINE` when it is not. The first that applies is the one given."""

    FINE = 0
    WRONG_COLUMN_COUNT = 1
    TIME_UNREADABLE = 2
    TIME_WITHOUT_ZONE = 3
    NO_NUMBER = 4
    NOT_FINITE = 5
    PRICE_NOT_POSITIVE = 6
    HIGH_BELOW_LOW = 7
    OUTSIDE_HIGH_LOW = 8
    NEGATIVE_VOLUME = 9
    TOO_LARGE = 10
    OFF_GRID = 11
    NOT_CLOSED_YET = 12
    DIFFERS_FROM_EARLIER_ROW = 13
    TIME_AMBIGUOUS = 14
    TIME_SKIPPED = 15
    TEXT_UNREADABLE = 16
    UNKNOWN_SIDE = 17
    UNKNOWN_KIND = 18
    PRICE_NEGATIVE = 19
    NEGATIVE_SIZE = 20
    IN_THE_FUTURE = 21
    TIME_WENT_BACK = 22
    CLOSES_WRONGLY = 23
    TIME_OUT_OF_RANGE = 24
    AFTER_EXPIRY = 25

    @property
    def text(self) -> str:
        """Return the reason in words."""
        return _TEXTS[self]


_TEXTS = {
    Reason.FINE: "",
    Reason.WRONG_COLUMN_COUNT: "wrong number of columns",
    Reason.TIME_UNREADABLE: "time cannot be read",
    Reason.TIME_WITHOUT_ZONE: "time has no zone",
    Reason.NO_NUMBER: "a price or the volume is no number",
    Reason.NOT_FINITE: "a price or the volume is NaN or infinite",
    Reason.PRICE_NOT_POSITIVE: "a price is zero or negative",
    Reason.HIGH_BELOW_LOW: "high is below low",
    Reason.OUTSIDE_HIGH_LOW: "open or close lies outside high-low",
    Reason.NEGATIVE_VOLUME: "volume is negative",
    Reason.TOO_LARGE: "a price or the volume is too large to be true",
    Reason.OFF_GRID: "time does not lie on the timeframe's grid",
    Reason.NOT_CLOSED_YET: "the bar has not closed yet",
    Reason.DIFFERS_FROM_EARLIER_ROW: "same time as an earlier row, other values",
    Reason.TIME_AMBIGUOUS: "the zone's clocks showed this time twice",
    Reason.TIME_SKIPPED: "the zone's clocks skipped this time",
    Reason.UNKNOWN_SIDE: "the side is unknown",
    Reason.UNKNOWN_KIND: "the kind of message is unknown",
    Reason.PRICE_NEGATIVE: "a price is negative",
    Reason.NEGATIVE_SIZE: "a size or number of contracts is negative",
    Reason.IN_THE_FUTURE: "the time lies in the future",
    Reason.TIME_OUT_OF_RANGE: "the time lies before 1900 or after 2200",
    Reason.CLOSES_WRONGLY: "the closing time does not fit the timeframe",
    Reason.TIME_WENT_BACK: "the time lies before that of an earlier row",
    Reason.AFTER_EXPIRY: "the contract had expired before this day",
    Reason.TEXT_UNREADABLE: "a word is empty, too long or not printable",
}


def check_bars(
    bars: BarSeries, *, timeframe: Timeframe, now_micros: int, calendar: Calendar | None = None
) -> ReasonArray:
    """Return a `Reason` per bar (uint8). A NaN volume means not measured and is fine.

    Order and duplicates need the whole delivery: whoever stores it looks at them.
    """
    prices = np.stack([bars.open, bars.high, bars.low, bars.close])
    volume = np.where(np.isnan(bars.volume), 0.0, bars.volume)
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    # NaN compares false everywhere, so the first test alone decides about it.
    tests = (
        (Reason.NOT_FINITE, ~np.isfinite(prices).all(axis=0) | np.isinf(volume)),
        (Reason.PRICE_NOT_POSITIVE, (prices <= 0).any(axis=0)),
        (Reason.HIGH_BELOW_LOW, bars.high < bars.low),
        (Reason.OUTSIDE_HIGH_LOW, (top > bars.high) | (bottom < bars.low)),
        (Reason.NEGATIVE_VOLUME, volume < 0),
        (Reason.TOO_LARGE, (bars.high >= HIGHEST_PRICE) | (volume >= HIGHEST_VOLUME)),
        (Reason.OFF_GRID, off_grid(bars.opened_at, timeframe, calendar)),
        (Reason.CLOSES_WRONGLY, _closes_wrongly(bars, timeframe)),
        (Reason.NOT_CLOSED_YET, bars.closed_at > now_micros),
    )
    return first_reasons(len(bars), tests)


def first_reasons(rows: int, tests: Tests) -> ReasonArray:
    """Return per row the first reason whose test applies, `FINE` where none does."""
    reasons = np.zeros(rows, dtype=np.uint8)
    for reason, applies in reversed(tests):
        reasons[applies] = reason
    return reasons


def off_grid(
    opened_at: IntArray, timeframe: Timeframe, calendar: Calendar | None = None
) -> NDArray[np.bool_]:
    """Tell per bar whether an intraday bar opens beside its grid.

    The grid is counted from midnight UTC, and from each session's open where the calendar is
    known: an hour of the NSE opens at 03:45Z.
    """
    if timeframe.seconds >= Timeframe.D1.seconds:
        return np.zeros(len(opened_at), dtype=np.bool_)
    beside: NDArray[np.bool_] = opened_at % (timeframe.seconds * MICROS) != 0
    odd = opened_at[beside]
    if calendar is not None and len(odd):
        beside[beside] = ~np.isin(odd, _session_grid(odd, timeframe, calendar))
    return beside


def _session_grid(opened_at: IntArray, timeframe: Timeframe, calendar: Calendar) -> IntArray:
    """Return the openings the sessions give, for the years these bars lie in."""
    grids = []
    for year in np.unique(opened_at.astype("datetime64[us]").astype("datetime64[Y]")):
        since, until = (
            from_micros(int((year + more).astype("datetime64[us]").astype(np.int64)))
            for more in (0, 1)
        )
        grids.append(calendar.bars(timeframe, since, until + timeframe.length).opened_at)
    return np.concatenate(grids)


def _closes_wrongly(bars: BarSeries, timeframe: Timeframe) -> NDArray[np.bool_]:
    """Tell per bar whether it ends before it begins, or long after its timeframe."""
    lasts = bars.closed_at - bars.opened_at
    # A trading day may be longer than one by a clock change.
    spare = 3600 * MICROS if timeframe.seconds >= Timeframe.D1.seconds else 0
    wrong: NDArray[np.bool_] = (lasts <= 0) | (lasts > timeframe.seconds * MICROS + spare)
    return wrong


def wrong_step(opened_at: IntArray, timeframe: Timeframe, calendar: Calendar | None = None) -> str:
    """Return how far apart most of these bars lie, such as 1h, when that is no such timeframe.

    '' when they may be of the timeframe. Shorter bars overlap: several in one session, ISO week
    or intraday span. Longer ones lie on their own grid, while thin trading has irregular steps.
    Order and doubled rows do not matter.
    """
    times = np.unique(opened_at)
    steps = np.diff(times) // MICROS
    short = _overlaps(times, steps, timeframe, calendar)
    if 100 * int(short.sum()) > MOST_SHORT_PERCENT * len(steps):
        return _in_words(_usual(steps[short])[0])
    if len(steps) < ENOUGH_TO_TELL:
        return ""
    usual, count = _usual(steps)
    shorter = 100 * int((steps < usual).sum())
    if usual <= timeframe.seconds or 2 * count <= len(steps):
        return ""
    is_other = shorter <= MOST_ODD_PERCENT * len(steps) and usual in LENGTHS
    return LENGTHS[usual] if is_other else ""


def _overlaps(
    times: IntArray, steps: IntArray, timeframe: Timeframe, calendar: Calendar | None
) -> NDArray[np.bool_]:
    """Tell per step whether the next bar opens while the one before still lasts."""
    if timeframe.seconds < Timeframe.D1.seconds:
        # A few rows beside the grid are refused one by one.
        return (steps < timeframe.seconds) & (len(steps) >= ENOUGH_TO_TELL)
    days = (calendar or CLOCK).days_of(times)
    if timeframe is Timeframe.W1:
        days = (days + DAYS_BEFORE_MONDAY) // (timeframe.seconds * MICROS // DAY)
    # A day may be an hour shorter by a clock change.
    overlaps: NDArray[np.bool_] = (np.diff(days) == 0) & (steps < timeframe.seconds - 3600)
    return overlaps


LENGTHS = {one.seconds: one.value for one in Timeframe}


def _usual(steps: IntArray) -> tuple[int, int]:
    """Return the most common step, and how often it occurs."""
    lengths, counts = np.unique(steps, return_counts=True)
    return int(lengths[counts.argmax()]), int(counts.max())


def _in_words(seconds: int) -> str:
    return LENGTHS.get(seconds, f"{seconds} s")


def expired(at: IntArray, expiry: IntArray) -> NDArray[np.bool_]:
    """Tell per row whether it was seen after the day (its midnight UTC) its contract expired on.

    The day's end and not the session's: venues show the last quotes for minutes after the close.
    """
    late: NDArray[np.bool_] = at > expiry + DAY
    return late


def mixed_in(opened_at: IntArray, timeframe: Timeframe) -> Timeframe | None:
    """Return another timeframe whose bars stand among these in a long row, None without one.

    Bars that all lie further apart than their timeframe are thin trading or a wrong timeframe,
    not a mixture.
    """
    steps = np.diff(opened_at) // MICROS
    if not (steps == timeframe.seconds).any():
        return None
    changes = np.flatnonzero(np.diff(steps, prepend=-1, append=-1))
    lengths = np.diff(changes)
    long_steps = set(steps[changes[:-1][lengths >= MIXED_IN_A_ROW]].tolist())
    others = (one for one in Timeframe if one is not timeframe and one.seconds in long_steps)
    return next(others, None)


def decimals_of(prices: Sequence[FloatArray], *, at_least: int = 0, most: int = 8) -> int:
    """Return how many decimals the prices use: the least d so that all are whole at 10**-d."""
    for decimals in range(at_least, most):
        if all(_has_decimals(one[~np.isnan(one)], decimals) for one in prices):
            return decimals
    return most


def _has_decimals(prices: FloatArray, decimals: int) -> bool:
    """Tell whether the prices are whole at 10**-decimals; a few of them usually tell it."""
    few = prices[:100]
    return bool(
        np.array_equal(np.round(few, decimals), few)
        and np.array_equal(np.round(prices, decimals), prices)
    )
