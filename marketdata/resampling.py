"""Bars of a longer timeframe out of bars of a shorter one, session by session."""

from datetime import datetime, timedelta

import numpy as np

from domain.bars import BarSeries, Timeframe, from_micros, to_micros
from domain.errors import PlumblineError
from marketdata.calendars import CLOCK, Calendar, runs_of

# Sessions are dated up to a day away from the UTC days they cover, and weeks are cut whole.
MARGIN = timedelta(days=9)


class ResamplingError(PlumblineError):
    """These bars cannot make those."""

    code = "cannot_resample"


def resample(
    bars: BarSeries,
    source: Timeframe,
    target: Timeframe,
    calendar: Calendar | None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    keep_partial: bool = False,
) -> BarSeries:
    """Return the bars of `target` that bars of `source` in rising order make.

    Buckets begin with a session's open and end with its close; a day is one session, a week the
    ISO week of session dates. Without a calendar they are those of the UTC clock, as they are
    when the bars lie on that clock (a US hour labelled 13:00 for 13:30). Bars outside every
    session are left out. A bucket counts when it lies in what the bars cover: [since, until],
    from the first opening to the last close unless given; `keep_partial` keeps the others. Holes
    inside are the gap ledger's. Volume is NaN where a part of it was not measured.
    """
    if target.seconds % source.seconds or target.seconds < source.seconds:
        raise ResamplingError(f"{source.value} bars do not make {target.value} bars")
    if len(bars) == 0 or source is target:
        return bars
    market = calendar or CLOCK
    first, last = from_micros(bars.opened_at[0]), from_micros(bars.closed_at[-1])
    on_clock = market.lies_on_clock(bars.opened_at, source)
    if source.seconds < Timeframe.D1.seconds <= target.seconds:
        on_clock = False  # a day made of hours is the session, however its hours are labelled
    buckets = market.bars(target, first - MARGIN, last + MARGIN, on_clock=on_clock)
    # The last bucket that opens before the bar closes; the bar is in it if it opens before its end.
    at = np.searchsorted(buckets.opened_at, bars.closed_at, side="left") - 1
    inside = (at >= 0) & (bars.opened_at < np.append(buckets.closed_at, 0)[at])
    if not keep_partial:
        opened, closed = to_micros(since or first), to_micros(until or last)
        inside &= (buckets.opened_at[at] >= opened) & (buckets.closed_at[at] <= closed)
    at, kept = at[inside], np.flatnonzero(inside)
    if len(kept) == 0:
        return bars[:0]
    starts, ends = runs_of(at)
    return BarSeries(
        buckets.opened_at[at[starts]],
        buckets.closed_at[at[starts]],
        bars.open[kept[starts]],
        np.maximum.reduceat(bars.high[kept], starts),
        np.minimum.reduceat(bars.low[kept], starts),
        bars.close[kept[ends]],
        np.add.reduceat(bars.volume[kept], starts),
    )
