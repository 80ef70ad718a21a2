"""Stored bars as a feed: what a replay stream plays."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.db import connection

from domain.bars import Bar, Timeframe
from marketdata.feeds.base import FeedBar, FeedInstant
from marketdata.feeds.replay import MayGoOn, ReplayFeed, always
from marketdata.models import Stream

# No bar is longer than its timeframe, so this bound on `opened_at` loses none and lets the
# bars' key answer: the table needs no index by closing time.
NEXT_INSTANTS = """
SELECT DISTINCT n.closed_at
FROM unnest(%(instruments)s::bigint[]) AS i(id)
CROSS JOIN unnest(%(timeframes)s::text[], %(lengths)s::interval[]) AS f(timeframe, length)
CROSS JOIN LATERAL (
    SELECT b.closed_at FROM marketdata_bar b
    WHERE b.instrument_id = i.id AND b.timeframe = f.timeframe
      AND b.opened_at > %(after)s::timestamptz - f.length AND b.closed_at > %(after)s
    ORDER BY b.opened_at LIMIT %(limit)s) n
ORDER BY 1 LIMIT %(limit)s
"""
BARS_OF_INSTANTS = """
SELECT i.venue, i.symbol, b.timeframe, b.opened_at, b.closed_at,
       b.open, b.high, b.low, b.close, b.volume
FROM unnest(%(timeframes)s::text[], %(lengths)s::interval[]) AS f(timeframe, length)
JOIN marketdata_bar b ON b.instrument_id = ANY(%(instruments)s) AND b.timeframe = f.timeframe
 AND b.opened_at > %(after)s::timestamptz - f.length AND b.opened_at < %(last)s
 AND b.closed_at > %(after)s AND b.closed_at <= %(last)s
JOIN marketdata_instrument i ON i.id = b.instrument_id
ORDER BY b.closed_at, i.venue, i.symbol, b.opened_at DESC
"""


def stored_instants(*, stream: Stream, after: datetime, limit: int) -> Sequence[FeedInstant]:
    """Return the next closing instants after `after` with all stored bars of the stream."""
    timeframes = [Timeframe.parse(text) for text in stream.timeframes]
    asked: dict[str, Any] = {
        "instruments": list(stream.instruments.order_by("pk").values_list("pk", flat=True)),
        "timeframes": [timeframe.value for timeframe in timeframes],
        "lengths": [timedelta(seconds=timeframe.seconds) for timeframe in timeframes],
        "after": after,
        "limit": limit,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEXT_INSTANTS, asked)
        closes = [closed_at for (closed_at,) in cursor.fetchall()]
        if not closes:
            return ()
        cursor.execute(BARS_OF_INSTANTS, {**asked, "last": closes[-1]})
        bars = [
            FeedBar(venue, symbol, Timeframe(timeframe), Bar(*values))
            for venue, symbol, timeframe, *values in cursor.fetchall()
        ]
    return tuple(
        FeedInstant(closed_at, tuple(same))
        for closed_at, same in groupby(bars, key=lambda one: one.bar.closed_at)
    )


def replay_feed(*, stream: Stream, may_go_on: MayGoOn = always) -> ReplayFeed:
    """Return the feed that plays the stream's stored bars at the stream's pace."""

    def read(after: datetime, limit: int) -> Sequence[FeedInstant]:
        return stored_instants(stream=stream, after=after, limit=limit)

    return ReplayFeed(
        read=read,
        pace_seconds=stream.pace_seconds,
        fast_until=stream.fast_until,
        ends_at=stream.ends_at,
        may_go_on=may_go_on,
    )
