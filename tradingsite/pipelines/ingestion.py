"""Bars come in: feed, seal, nudge. One door for replay and live."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Max, Min

from domain.bars import EPOCH, Timeframe, to_micros
from domain.errors import PlumblineError
from execution.models import Book
from execution.queries import accounts_to_nudge
from marketdata.feeds.base import Feed, FeedInstant, UnknownSymbolError
from marketdata.feeds.registry import make_feed
from marketdata.models import Bar, Instrument, Seal, Split, Stream
from marketdata.models.wall_time import ClockTimestamp
from marketdata.services.ingest_bars import (
    SealOutcome,
    StreamBar,
    bars_of,
    keep_late_bars,
    seal_instant,
    store_bars,
    stream_writer_lock,
)
from marketdata.services.record_splits import record_splits
from marketdata.services.replay_bars import replay_feed
from tradingsite.celery import nudge
from tradingsite.monitoring.alerts import raise_alert
from tradingsite.monitoring.logs import walk_id
from tradingsite.pipelines.live_feed import LiveInstant, keep_place
from tradingsite.pipelines.live_plan import live_feed

SEALS_AHEAD = 64
HEARTBEAT_SECONDS = 2.0
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 5.0
SLICE_SECONDS = 0.1
FINISHED = "replay_finished"

log = structlog.get_logger("feed")
ShouldStop = Callable[[], bool]


class UnknownStreamError(PlumblineError):
    """No stream of that name exists."""

    code = "unknown_stream"


def unfinished_streams() -> list[str]:
    """Return the names of the streams a feed process has to deliver."""
    return list(Stream.objects.filter(is_finished=False).values_list("name", flat=True))


def run_feed(stream_name: str, should_stop: ShouldStop) -> None:
    """Deliver the stream until it is finished or `should_stop`; errors are retried, forever.

    After every error it begins again at the last seal, on a new database session.
    """
    retry_seconds = FIRST_RETRY_SECONDS
    while not should_stop():
        began = time.monotonic()
        try:
            if play_stream(stream_name, should_stop):
                return
            continue
        except UnknownStreamError:
            log.warning("stream is gone", stream=stream_name)
            return
        except (PlumblineError, DatabaseError, InterfaceError) as error:
            reason = " ".join(str(error).split())[:200]
            log.warning("feed retries", stream=stream_name, reason=reason, seconds=retry_seconds)
        except Exception:
            # A fault of ours or of a listener: the record is untouched, and the desk must go on.
            log.exception("feed failed, retries", stream=stream_name, seconds=retry_seconds)
        finally:
            connection.close()
        if time.monotonic() - began > LONGEST_RETRY_SECONDS:
            retry_seconds = FIRST_RETRY_SECONDS
        sleep_unless(should_stop, retry_seconds)
        retry_seconds = min(2 * retry_seconds, LONGEST_RETRY_SECONDS)


def sleep_unless(should_stop: ShouldStop, seconds: float) -> None:
    """Wait, but not past `should_stop`."""
    ends = time.monotonic() + seconds
    while not should_stop() and time.monotonic() < ends:
        time.sleep(SLICE_SECONDS)


def play_stream(stream_name: str, should_stop: ShouldStop) -> bool:
    """Seal what the stream's feed delivers, under the writer lock; return whether it is over.

    It ends early, and wants to be called again, when somebody has edited the stream.
    """
    stream = Stream.objects.filter(name=stream_name).first()
    if stream is None:
        raise UnknownStreamError(f"unknown stream '{stream_name}'")
    if stream.is_finished:
        return True
    with stream_writer_lock(stream.pk):
        # Read again: what was true before the lock may be another writer's past.
        stream.refresh_from_db()
        log.info("feed begins", stream=stream_name, after=f"{stream.sealed_to:%Y-%m-%dT%H:%MZ}")
        beaten_at, members = -HEARTBEAT_SECONDS, _members(stream)
        with closing(instants_of(stream, should_stop)) as instants:
            for instant in instants:
                if instant is not None:
                    deliver(stream, instant)
                if time.monotonic() - beaten_at >= HEARTBEAT_SECONDS:
                    beaten_at = time.monotonic()
                    if not beat(stream) or _members(stream) != members:
                        return False
        if not should_stop():
            finish(stream)
    return True


def beat(stream: Stream) -> bool:
    """Say that the feed lives; return False when the stream is no longer as it was read."""
    same = Stream.objects.filter(
        pk=stream.pk,
        name=stream.name,
        kind=stream.kind,
        feed=stream.feed,
        is_finished=False,
        sealed_to=stream.sealed_to,
        pace_seconds=stream.pace_seconds,
        fast_until=stream.fast_until,
        ends_at=stream.ends_at,
        timeframes=stream.timeframes,
        grace_seconds=stream.grace_seconds,
        keep_ticks=stream.keep_ticks,
    )
    return same.update(heartbeat_at=ClockTimestamp()) == 1


def _members(stream: Stream) -> tuple[list[int], list[int]]:
    """Return which instruments and providers a stream has now."""
    instruments = stream.instruments.order_by("pk")
    providers = stream.providers.order_by("pk")
    return (
        list(instruments.values_list("pk", flat=True)),
        list(providers.values_list("pk", flat=True)),
    )


def instants_of(
    stream: Stream, should_stop: ShouldStop
) -> Generator[FeedInstant | None, None, None]:
    """Yield the stream's instants: made of its providers' ticks and bars, or by its feed."""
    if stream.kind == "live" and stream.providers.exists():
        yield from live_feed(stream).subscribe(should_stop)
    else:
        yield from feed_of(stream).subscribe(after=stream.sealed_to, should_stop=should_stop)


def feed_of(stream: Stream) -> Feed:
    """Return the feed that delivers the stream: its provider's, or stored bars on a replay."""
    if stream.kind == "replay":
        return replay_feed(stream=stream, may_go_on=lambda _: is_keeping_up(stream.pk))
    return make_feed(stream.feed)


def is_keeping_up(stream_id: int) -> bool:
    """Tell whether every account of the stream is less than `SEALS_AHEAD` instants behind."""
    slowest = Book.objects.filter(account__stream_id=stream_id).aggregate(at=Min("decided_to"))
    if slowest["at"] is None:
        return True
    waiting = Seal.objects.filter(stream_id=stream_id, closed_at__gt=slowest["at"])
    return waiting[:SEALS_AHEAD].count() < SEALS_AHEAD


def deliver(stream: Stream, instant: FeedInstant) -> SealOutcome:
    """Seal one instant and wake the accounts that wait for it."""
    bars = _stream_bars(stream, instant)
    arrived = datetime.now(UTC)
    lag = timedelta() if stream.kind == "replay" else arrived - instant.closed_at
    with transaction.atomic():
        outcome = seal_instant(
            stream_id=stream.pk,
            closed_at=instant.closed_at,
            bars=bars,
            lag_ms=max(0, lag // timedelta(milliseconds=1)),
            follows=stream.sealed_to,
            source_id=instant.source_id if isinstance(instant, LiveInstant) else None,
        )
        if isinstance(instant, LiveInstant):
            keep_place(stream, instant)
        accounts = accounts_to_nudge(stream.pk) if outcome.is_new else []
        for account_id in accounts:
            nudge(account_id)
    stream.sealed_to = max(stream.sealed_to, instant.closed_at)
    # Catching up passes a dozen instants a second: nobody reads those lines.
    is_fast = stream.fast_until is not None and instant.closed_at <= stream.fast_until
    (log.debug if is_fast else log.info)(
        "sealed",
        walk=walk_id(stream.name, instant.closed_at),
        bars=len(bars),
        late=outcome.late,
        nudged=len(accounts),
    )
    return outcome


def _stream_bars(stream: Stream, instant: FeedInstant) -> list[StreamBar]:
    """Return the instant's bars by instrument id; bars the stream does not list are dropped."""
    ids = {
        (instrument.venue, instrument.symbol): instrument.pk
        for instrument in stream.instruments.all()
    }
    return [
        StreamBar(ids[one.venue, one.symbol], one.timeframe, one.bar)
        for one in instant.bars
        if (one.venue, one.symbol) in ids and one.timeframe.value in stream.timeframes
    ]


def finish(stream: Stream) -> None:
    """Mark the stream as played to its end, and say so where people look."""
    with transaction.atomic():
        Stream.objects.filter(pk=stream.pk).update(is_finished=True)
        raise_alert(
            kind=FINISHED,
            object=stream.name,
            message=f"The replay '{stream.name}' has reached its end."
            " Begin again with: manage.py fresh_start",
        )
    log.info("feed finished", stream=stream.name)


@dataclass(frozen=True, slots=True)
class IngestedHistory:
    """What one look at the providers' history brought."""

    inserted: int
    late: int
    splits: int

    def __add__(self, other: "IngestedHistory") -> "IngestedHistory":
        return IngestedHistory(
            self.inserted + other.inserted, self.late + other.late, self.splits + other.splits
        )


def ingest_history(stream_name: str | None = None) -> IngestedHistory:
    """Store what the streams' feeds know and the record does not; nothing new is normal.

    Only what no decision can have missed is stored: once a stream is sealed, older bars are
    kept aside as late. Bars after the last seal of a live stream are left to its seals.
    """
    streams = Stream.objects.filter(**({"name": stream_name} if stream_name else {}))
    if stream_name and not streams:
        raise UnknownStreamError(f"unknown stream '{stream_name}'")
    found = IngestedHistory(0, 0, 0)
    for stream in streams.order_by("pk"):
        feed = _provider(stream)
        if feed is None or not feed.capabilities.has_history:
            continue
        for instrument in stream.instruments.order_by("pk"):
            found += _ingest_splits(stream, feed, instrument)
            for timeframe in _served(stream, feed):
                found += _ingest_series(stream, feed, instrument, timeframe)
    return found


def _provider(stream: Stream) -> Feed | None:
    """Return the feed to ask for history: replays have none, live streams ask their providers."""
    if stream.feed == "replay" or stream.providers.exists():
        return None
    return make_feed(stream.feed)


def _symbol(feed: Feed, instrument: Instrument) -> str:
    """Return what the feed calls the instrument."""
    symbol = feed.symbol_of(venue=instrument.venue, symbol=instrument.symbol)
    if symbol is None:
        raise UnknownSymbolError(f"{feed.name} does not have {instrument}")
    return symbol


def _served(stream: Stream, feed: Feed) -> list[Timeframe]:
    wanted = [Timeframe.parse(text) for text in stream.timeframes]
    return [one for one in wanted if one in feed.capabilities.timeframes]


def _ingest_splits(stream: Stream, feed: Feed, instrument: Instrument) -> IngestedHistory:
    """Store splits that lie ahead; one the desk has walked past needs a person."""
    known = set(Split.objects.filter(instrument=instrument).values_list("effective_at", flat=True))
    new = [
        split
        for split in feed.splits(symbol=_symbol(feed, instrument))
        if split.effective_at not in known
    ]
    if not new:
        return IngestedHistory(0, 0, 0)
    with transaction.atomic():
        locked, has_seals = _lock_stream(stream)
        missed = [one for one in new if has_seals and one.effective_at < locked.sealed_to]
        for split in missed:
            raise_alert(
                kind="late_split",
                object=str(instrument),
                message=f"A split of {split.ratio:g} for 1 on {split.effective_at:%Y-%m-%d} became"
                " known after its day was decided; it is not applied.",
            )
        stored = record_splits(
            instrument_id=instrument.pk,
            splits=[one for one in new if one not in missed],
            source=stream.feed,
        )
    return IngestedHistory(0, 0, stored)


def _lock_stream(stream: Stream) -> tuple[Stream, bool]:
    """Return the stream's row, locked so that nothing is sealed meanwhile, and if it has seals."""
    locked = Stream.objects.select_for_update(of=("self",)).get(pk=stream.pk)
    return locked, Seal.objects.filter(stream_id=stream.pk).exists()


def _ingest_series(
    stream: Stream, feed: Feed, instrument: Instrument, timeframe: Timeframe
) -> IngestedHistory:
    """Store one instrument's newer history."""
    stored = Bar.objects.filter(instrument=instrument, timeframe=timeframe.value)
    last = stored.aggregate(last=Max("opened_at"))["last"]
    bars = feed.history(
        symbol=_symbol(feed, instrument),
        timeframe=timeframe,
        since=EPOCH if last is None else last + timeframe.length,
        until=datetime.now(UTC),
    )
    if not len(bars):
        return IngestedHistory(0, 0, 0)
    with transaction.atomic():
        locked, has_seals = _lock_stream(stream)
        # Closing times rise with opening times within one series.
        past = int((bars.closed_at <= to_micros(locked.sealed_to)).sum())
        older, newer = bars[:past], bars[past:]
        late = 0
        if has_seals:
            late = keep_late_bars(
                stream_id=stream.pk,
                late=[StreamBar(instrument.pk, timeframe, bar) for bar in bars_of(older)],
            )
            older = older[:0]
        kept = [older] if stream.kind == "live" else [older, newer]
        inserted = sum(
            store_bars(instrument_id=instrument.pk, timeframe=timeframe, bars=one).inserted
            for one in kept
        )
    return IngestedHistory(inserted, late, 0)
