"""What looks odd in a stored series: one small check per kind, all of them run over columns.

A finding is shown to a person; it changes no bar. Every limit is relative to the series itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.bars import BarSeries, FloatArray, Timeframe, from_micros, picked, to_micros
from marketdata.calendars import Calendar, runs_of
from marketdata.resampling import resample
from marketdata.split_detection import suspected_splits

BoolArray = NDArray[np.bool_]

# A spike counts from so many usual bar ranges of its surroundings, and from half a percent.
SPIKE_RANGES = 15.0
SPIKE_LEAST = np.log(1.005)
LEAST_RANGE = 0.0001  # where nothing moves, a basis point is usual
# Bars on either side that say what is usual here: enough for a median, few enough to follow a
# crash within an hour of minutes.
NEIGHBOURS = 15
# By chance alone, a run this long would be expected once in so many series of this length.
RARE = 0.001
SHORTEST_RUN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One bar, or a run of bars, that looks odd: `opened_at` of the first, epoch microseconds."""

    opened_at: int
    kind: str
    bars: int
    value: float
    note: str


@dataclass(frozen=True)
class Series:
    """What a check looks at."""

    bars: BarSeries
    timeframe: Timeframe
    calendar: Calendar | None
    in_session: BoolArray


def check_series(
    bars: BarSeries, timeframe: Timeframe, calendar: Calendar | None
) -> tuple[Finding, ...]:
    """Return everything odd in bars of rising order, in order of time and kind."""
    series = Series(bars, timeframe, calendar, in_session(bars, timeframe, calendar))
    found = [finding for check in CHECKS for finding in check(series)]
    return tuple(sorted(found, key=lambda one: (one.opened_at, one.kind)))


def outliers(series: Series) -> list[Finding]:
    """Return spikes: bars that reach far beyond both neighbours, and come back.

    How far, in units of the median bar range around: a crash widens the ranges around it and
    leaves no neighbour behind, so it is none; a wrong print does neither.
    """
    bars = picked(series.bars, series.in_session)
    if len(bars) < 2 * NEIGHBOURS + 1:
        return []
    high, low = np.log(bars.high), np.log(bars.low)
    reach = np.zeros(len(bars))
    above = high[1:-1] - np.maximum(high[:-2], high[2:])
    below = np.minimum(low[:-2], low[2:]) - low[1:-1]
    reach[1:-1] = np.where(above >= below, above, -below)
    found: list[Finding] = []
    for at in np.flatnonzero(np.abs(reach) >= SPIKE_LEAST).tolist():
        times = float(reach[at]) / max(_usual_range(high - low, at), LEAST_RANGE)
        if abs(times) >= SPIKE_RANGES:
            note = f"{np.expm1(reach[at]):+.2%} beyond both neighbours, {abs(times):.0f} bar ranges"
            found.append(Finding(int(bars.opened_at[at]), "outlier", 1, float(reach[at]), note))
    return found


def stuck_prices(series: Series) -> list[Finding]:
    """Return runs in which the price never moves, longer than the series' quiet bars explain."""
    bars = series.bars
    still = (bars.high == bars.low) & (bars.close == np.append(np.nan, bars.close[:-1]))
    return [
        Finding(
            int(bars.opened_at[first]), "stuck", count, count, f"{bars.close[first]:g} all along"
        )
        for first, count in _rare_runs(still & series.in_session, series.in_session)
    ]


def zero_volumes(series: Series) -> list[Finding]:
    """Return runs without any volume, longer than the series' empty bars explain."""
    bars = series.bars
    measured = series.in_session & ~np.isnan(bars.volume)
    return [
        Finding(int(bars.opened_at[first]), "zero_volume", count, count, "nothing was traded")
        for first, count in _rare_runs((bars.volume == 0) & measured, measured)
    ]


def outside_sessions(series: Series) -> list[Finding]:
    """Return runs of bars that lie in no session of the calendar."""
    first, last = runs_of(series.in_session.astype(np.int64))
    bars = series.bars
    return [
        Finding(
            int(bars.opened_at[start]),
            "off_session",
            end - start + 1,
            end - start + 1,
            f"to {from_micros(bars.opened_at[end]):%Y-%m-%d %H:%M} UTC",
        )
        for start, end in zip(first.tolist(), last.tolist(), strict=True)
        if not series.in_session[start]
    ]


def split_suspicions(series: Series) -> list[Finding]:
    """Return what looks like splits between sessions; the value is the ratio."""
    bars, daily = series.bars, Timeframe.D1
    if series.timeframe is Timeframe.W1:
        return []
    days = resample(bars, series.timeframe, daily, series.calendar, keep_partial=True)
    found: list[Finding] = []
    for split in suspected_splits(days):
        # The first bar in new units: a day's label may lie before its first bar or within it.
        at = int(np.searchsorted(bars.closed_at, to_micros(split.effective_at), side="right"))
        note = f"opens like a split of {split.ratio:g} for 1, with no crowd trading"
        found.append(Finding(int(bars.opened_at[at]), "split_suspected", 1, split.ratio, note))
    return found


CHECKS: tuple[Callable[[Series], list[Finding]], ...] = (
    outliers,
    stuck_prices,
    zero_volumes,
    outside_sessions,
    split_suspicions,
)


def in_session(bars: BarSeries, timeframe: Timeframe, calendar: Calendar | None) -> BoolArray:
    """Tell per bar whether it reaches into a session; all do where none is known."""
    if calendar is None or len(bars) == 0:
        return np.ones(len(bars), dtype=np.bool_)
    first, last = from_micros(bars.opened_at[0]), from_micros(bars.closed_at[-1])
    sessions = calendar.around(first, last)
    if timeframe.seconds >= Timeframe.D1.seconds:
        dated: BoolArray = np.isin(calendar.days_of(bars.opened_at), sessions.day)
        return dated if timeframe is Timeframe.D1 else np.ones(len(bars), dtype=np.bool_)
    at = np.searchsorted(sessions.opened_at, bars.closed_at, side="left") - 1
    inside: BoolArray = (at >= 0) & (bars.opened_at < np.append(sessions.closed_at, 0)[at])
    return inside


def _usual_range(ranges: FloatArray, at: int) -> float:
    """Return the median range of the bars around, without the one in question."""
    around = np.append(ranges[max(0, at - NEIGHBOURS) : at], ranges[at + 1 : at + 1 + NEIGHBOURS])
    return float(np.median(around))


def _rare_runs(marked: BoolArray, counted: BoolArray) -> list[tuple[int, int]]:
    """Return (first position, length) of runs that chance would not make in this series.

    With a share p of the counted bars marked, n bars hold n * p**k runs of k or more by chance.
    """
    total, hits = int(counted.sum()), int(marked.sum())
    if hits in {0, total}:
        return []
    share = hits / total
    shortest = max(SHORTEST_RUN, int(np.ceil(np.log(RARE / total) / np.log(share))))
    first, last = runs_of(marked.astype(np.int64))
    return [
        (start, end - start + 1)
        for start, end in zip(first.tolist(), last.tolist(), strict=True)
        if marked[start] and end - start + 1 >= shortest
    ]
