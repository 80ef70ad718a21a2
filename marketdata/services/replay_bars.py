"""Stored bars as a feed: what a replay stream plays."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import connection

from domain.bars import Bar, Timeframe
from marketdata.feeds.base import FeedBar, FeedInstant
from marketdata.feeds.replay import MayGoOn, ReplayFeed, always
from marketdata.models import Stream

# No bar is longer than its timeframe, so this bound on `opened_at` loses none and lets the
# bars' key answer: the table needs no index by closing time. One part per timeframe, each with
# constants, so that only the partitions of that time are planned. What came behind its seal
# was never an instant's bar.
NEXT_INSTANTS = """
(SELECT DISTINCT n.closed_at
 FROM unnest(%s::bigint[]) AS i(id)
 CROSS JOIN LATERAL (
    SELECT b.closed_at FROM marketdata_bar b
    WHERE b.instrument_id = i.id AND b.timeframe = %s
      AND b.opened_at > %s AND b.closed_at > %s AND b.known_at IS NULL
    ORDER BY b.opened_at LIMIT %s) n)
"""
BARS_OF_INSTANTS = """
(SELECT i.venue, i.symbol, b.timeframe, b.opened_at, b.closed_at,
        b.open, b.high, b.low, b.close, b.volume
 FROM marketdata_bar b JOIN marketdata_instrument i ON i.id = b.instrument_id
 WHERE b.instrument_id = ANY(%s) AND b.timeframe = %s
  AND b.opened_at > %s AND b.opened_at < %s
  AND b.closed_at > %s AND b.closed_at <= %s AND b.known_at IS NULL)
"""


def stored_instants(*, stream: Stream, after: datetime, limit: int) -> Sequence[FeedInstant]:
    """Return the next closing instants after `after` with all stored bars of the stream."""
    timeframes = [Timeframe.parse(text) for text in stream.timeframes]
    ids = list(stream.instruments.order_by("pk").values_list("pk", flat=True))
    with connection.cursor() as cursor:
        parts: list[Any] = []
        for one in timeframes:
            parts += [ids, one.value, after - one.length, after, limit]
        cursor.execute(f"{_each(NEXT_INSTANTS, timeframes)} ORDER BY 1 LIMIT %s", [*parts, limit])
        closes = sorted({closed_at for (closed_at,) in cursor.fetchall()})
        if not closes:
            return ()
        parts = []
        for one in timeframes:
            parts += [ids, one.value, after - one.length, closes[-1], after, closes[-1]]
        cursor.execute(f"{_each(BARS_OF_INSTANTS, timeframes)} ORDER BY 5, 1, 2, 4 DESC", parts)
        bars = [
            FeedBar(venue, symbol, Timeframe(timeframe), Bar(*values))
            for venue, symbol, timeframe, *values in cursor.fetchall()
        ]
    return tuple(
        FeedInstant(closed_at, tuple(same))
        for closed_at, same in groupby(bars, key=lambda one: one.bar.closed_at)
    )


def _each(query: str, timeframes: Sequence[Timeframe]) -> str:
    return " UNION ".join(query for _ in timeframes)


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
