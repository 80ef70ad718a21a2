"""Bars that ought to be there and are not."""

from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from domain.bars import BarSeries, IntArray, Timeframe, picked
from marketdata.calendars import Calendar, Spans, is_among, week_number

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Gap:
    """A run of missing bars: openings of the first and the last, epoch microseconds."""

    first_opened_at: int
    first_closed_at: int  # from here on the hole could be known
    last_opened_at: int
    bars: int


def find_gaps(
    opened_at: IntArray,
    calendar: Calendar | None,
    timeframe: Timeframe,
    since: datetime,
    until: datetime,
) -> tuple[Gap, ...]:
    """Return the maximal runs of bars expected whole in [since, until] and missing, in order.

    `opened_at` rises. A run ends where a bar is; closed hours do not end it. Without a calendar
    nothing is expected. Bars may lie on the session's grid or on the UTC clock: the grid that
    more of them lie on is the series' own.
    """
    if calendar is None:
        return ()
    expected, has_bar = expectation(opened_at, calendar, timeframe, since, until)
    edges = np.diff(has_bar.astype(np.int8), prepend=1, append=1)
    return tuple(
        Gap(
            int(expected.opened_at[first]),
            int(expected.closed_at[first]),
            int(expected.opened_at[after - 1]),
            int(after - first),
        )
        for first, after in zip(np.flatnonzero(edges < 0), np.flatnonzero(edges > 0), strict=True)
    )


def expectation(
    opened_at: IntArray,
    calendar: Calendar,
    timeframe: Timeframe,
    since: datetime,
    until: datetime,
) -> tuple[Spans, BoolArray]:
    """Return the bars expected whole in [since, until], and for each whether it is there."""
    on_clock = calendar.lies_on_clock(opened_at, timeframe)
    expected = calendar.bars(timeframe, since, until, on_clock=on_clock)
    return expected, _present(opened_at, expected.opened_at, calendar, timeframe)


def standing_for(
    bars: BarSeries, missing: Spans, calendar: Calendar, timeframe: Timeframe
) -> BarSeries:
    """Return those of the bars that are missing, labelled as they are missed."""
    given, wanted = (
        _names(one, calendar, timeframe) for one in (bars.opened_at, missing.opened_at)
    )
    at = np.searchsorted(wanted, given)
    is_missed = np.append(wanted, -1)[at] == given
    fitting = picked(bars, is_missed)
    if timeframe.seconds < Timeframe.D1.seconds:
        return fitting
    labels = {"opened_at": missing.opened_at, "closed_at": missing.closed_at}
    return replace(fitting, **{name: times[at[is_missed]] for name, times in labels.items()})


def _present(
    opened_at: IntArray, expected: IntArray, calendar: Calendar, timeframe: Timeframe
) -> BoolArray:
    """Tell per expected bar whether it is there."""
    return is_among(_names(expected, calendar, timeframe), _names(opened_at, calendar, timeframe))


def _names(opened_at: IntArray, calendar: Calendar, timeframe: Timeframe) -> IntArray:
    """Return by what bars are known: their opening, a day's session date, a week's number."""
    if timeframe.seconds < Timeframe.D1.seconds:
        return opened_at
    days = calendar.days_of(opened_at)
    return week_number(days) if timeframe is Timeframe.W1 else days
