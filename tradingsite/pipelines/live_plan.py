"""A live stream made ready from its rows: providers by priority, their symbols, its calendars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from redis import Redis

from domain.bars import BarSeries, Timeframe, from_micros
from marketdata.calendars import calendar_named
from marketdata.models import Instrument, Provider, Stream
from marketdata.services.connect_provider import feed_of, symbols_at
from marketdata.services.fetch_history import fetch_history
from tradingsite import env
from tradingsite.pipelines.live_feed import LiveFeed, LiveFeedError, LivePlan
from tradingsite.pipelines.tick_link import LinkPlan

# Longer than any blocking read of ours: redis-py's own 5 s would be an error of each.
REDIS_SECONDS = 5.0
# The feed asks again by itself; one call must not keep it from its ticks for long.
PATIENCE_SECONDS = 5.0
# Bars that lie on the grid of every exchange's sessions.
TICK_BASES = (Timeframe.M1, Timeframe.M5)

log = structlog.get_logger("feed")


def live_feed(stream: Stream) -> LiveFeed:
    """Return what delivers the live stream."""
    redis = Redis.from_url(
        env.redis_url(), socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    return LiveFeed(live_plan(stream), redis)


def live_plan(stream: Stream) -> LivePlan:
    """Return the stream's plan; what cannot work is refused in one line."""
    providers = list(stream.providers.filter(is_enabled=True).order_by("priority", "name"))
    instruments = {one.pk: one for one in stream.instruments.order_by("pk")}
    timeframes = sorted(map(Timeframe.parse, stream.timeframes), key=lambda one: one.seconds)
    _refuse_empty(stream, provider=providers, instrument=instruments, timeframe=timeframes)
    ticking = next((one for one in providers if feed_of(one).capabilities.has_ticks), None)
    if ticking is not None and timeframes[0] not in TICK_BASES:
        raise LiveFeedError(
            f"stream '{stream.name}': ticks make bars of 1m or 5m first; add 1m to its timeframes"
        )
    first = ticking or providers[0]
    return LivePlan(
        stream=stream,
        instruments=instruments,
        timeframes=tuple(timeframes),
        fetch=_Fetch(providers, instruments, timeframes[0]),
        link=None if ticking is None else _link(stream, ticking, list(instruments.values())),
        provider_id=first.pk,
        mute_after_seconds=first.mute_after_seconds,
    )


def _refuse_empty(stream: Stream, **needed: object) -> None:
    for what, rows in needed.items():
        if not rows:
            raise LiveFeedError(f"stream '{stream.name}' has no {what}: give it one in the admin")


def _link(stream: Stream, provider: Provider, instruments: Sequence[Instrument]) -> LinkPlan:
    symbols = symbols_at(provider=provider, feed=feed_of(provider), instruments=instruments)
    missing = [str(one) for one in instruments if one.pk not in symbols]
    if missing:
        log.warning("no ticks for some instruments", provider=provider.name, missing=missing[:20])
    if not symbols:
        raise LiveFeedError(f"provider '{provider.name}' knows none of '{stream.name}'s symbols")
    names = {one.calendar for one in instruments}
    calendars = [calendar for calendar in map(calendar_named, names) if calendar is not None]

    def is_open() -> bool:
        now = datetime.now(UTC)
        return any(calendar.is_open(now) for calendar in calendars)

    return LinkPlan(
        provider=provider.name,
        feed=lambda: feed_of(provider),
        symbols=tuple(symbols.values()),
        ids=tuple(symbols),
        mute_after_seconds=provider.mute_after_seconds,
        is_open=is_open,
        was_mute=stream.is_mute,
    )


@dataclass(frozen=True)
class _Fetch:
    """History of the stream's base timeframe, from its own providers in their order."""

    providers: Sequence[Provider]
    instruments: Mapping[int, Instrument]
    timeframe: Timeframe

    def __call__(self, instrument_id: int, since: int, until: int) -> tuple[BarSeries, int | None]:
        """Return the bars that open in the span, and the provider they are of."""
        found = fetch_history(
            instrument=self.instruments[instrument_id],
            timeframe=self.timeframe,
            since=from_micros(since),
            until=from_micros(until),
            providers=self.providers,
            patience_seconds=PATIENCE_SECONDS,
        )
        source = found.parts[0].provider_id if len(found.parts) == 1 else None
        return found.bars, source
