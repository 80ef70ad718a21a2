"""When the bars of one market and timeframe close, asked instant by instant as time passes."""

from bisect import bisect_right
from datetime import timedelta

from domain.bars import Timeframe, from_micros
from marketdata.calendars import CLOCK, Calendar

# What is looked up at once; a week of minutes is 10,080 bars.
BLOCK = timedelta(days=7)
# Enough for the longest bar to lie whole in a block, with a holiday beside it.
MARGIN = timedelta(days=14)


class ClosingTimes:
    """The closing instants of a market's bars; without a calendar those of the UTC clock."""

    def __init__(self, calendar: Calendar | None, timeframe: Timeframe) -> None:
        self._market = calendar or CLOCK
        self._timeframe = timeframe
        self._known: tuple[int, int] = (0, 0)
        self._opened: dict[int, int] = {}
        self._closed: list[int] = []

    def opened_of(self, closed_at: int) -> int | None:
        """Return when the bar opened that closes at the instant (micros), None without one."""
        self._look_around(closed_at)
        return self._opened.get(closed_at)

    def next_after(self, instant: int) -> int | None:
        """Return the next closing instant, None when none comes within a week."""
        self._look_around(instant)
        place = bisect_right(self._closed, instant)
        return self._closed[place] if place < len(self._closed) else None

    def _look_around(self, instant: int) -> None:
        """Make sure that the week behind the instant is looked up."""
        first, last = self._known
        if first <= instant < last:
            return
        at = from_micros(instant)
        spans = self._market.bars(self._timeframe, at - MARGIN, at + BLOCK + MARGIN)
        opened, closed = spans.opened_at.tolist(), spans.closed_at.tolist()
        self._opened = dict(zip(closed, opened, strict=True))
        self._closed = closed
        self._known = (instant, instant + BLOCK // timedelta(microseconds=1))
