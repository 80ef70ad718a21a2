"""A live stream: ticks, or the providers' newest history, become instants ready to be sealed.

Every bar of an instant is whole. Where ticks are missing (a connection was lost, this process
was killed) its bars come from the providers' history, before any later instant is handed on.
"""

import time
from collections import deque
from collections.abc import Generator, Mapping
from dataclasses import dataclass

import structlog
from redis import Redis
from redis.exceptions import RedisError

from domain.bars import Bar, Timeframe, from_micros, to_micros
from domain.errors import PlumblineError
from domain.ticks import TickArray
from marketdata.calendars import calendar_named
from marketdata.closing_times import ClosingTimes
from marketdata.feeds.base import FeedBar, FeedInstant, ShouldStop
from marketdata.models import Instrument, Seal, Stream
from marketdata.pending_history import Fetch, PendingHistory
from marketdata.services.ingest_bars import bars_of
from marketdata.services.note_gaps import Lack, note_gaps
from marketdata.services.store_ticks import store_ticks
from marketdata.services.tick_stream import TickStream
from tradingsite.pipelines.feed_health import FeedHealth
from tradingsite.pipelines.longer_bars import LongerBars, Made
from tradingsite.pipelines.tick_bars import TickBars
from tradingsite.pipelines.tick_link import LinkPlan, TickLink, micros_now

MICROS = 1_000_000
WAIT_MS = 100
# After a lost connection a provider's newest bars may take some seconds to appear.
BACKFILL_SECONDS = 10.0
# A provider that does not answer for so long holds nobody back: its bars are the gap ledger's.
GIVE_UP_SECONDS = 60.0

log = structlog.get_logger("feed")
Bars = dict[int, Bar]  # by instrument


class LiveFeedError(PlumblineError):
    """The stream cannot be delivered now, or not as it is set up."""

    code = "live_feed"


@dataclass(frozen=True, slots=True)
class LiveInstant(FeedInstant):
    """An instant of a live stream, with what is committed together with its seal."""

    cursor: str = ""
    ticks: TickArray | None = None
    source_id: int | None = None
    lacking: tuple[Lack, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LivePlan:
    """One live stream, made ready: who brings ticks (None: it is polled), who knows history."""

    stream: Stream
    instruments: Mapping[int, Instrument]
    timeframes: tuple[Timeframe, ...]  # rising; the first is the base
    fetch: Fetch | None
    link: LinkPlan | None
    provider_id: int  # brings the ticks, or is polled first
    mute_after_seconds: float


class LiveFeed:
    """Delivers one live stream; made anew after every error."""

    def __init__(self, plan: LivePlan, redis: Redis) -> None:
        self._plan = plan
        self._base = plan.timeframes[0]
        self._length = self._base.seconds * MICROS
        self._grace = round(plan.stream.grace_seconds * MICROS)
        self._done_to = to_micros(plan.stream.sealed_to)
        self._frames = TickStream(redis, plan.stream.pk)
        calendars = {pk: one.calendar for pk, one in plan.instruments.items()}
        closings = {
            name: ClosingTimes(calendar_named(name), self._base) for name in set(calendars.values())
        }
        self._closings = {pk: closings[name] for pk, name in calendars.items()}
        # Only a calendar can say that a bar is missing.
        self._expected = {
            (name, timeframe): ClosingTimes(calendar_named(name), timeframe)
            for name in set(calendars.values())
            if name
            for timeframe in plan.timeframes
        }
        self._known_from = _known_from(plan.stream, self._base)
        self._lacking: list[Lack] = []
        self._longer = LongerBars(
            calendars,
            plan.timeframes,
            known_from=self._known_from,
            unknown_in=self._frames.unknown_in,
        )
        self._history = self._pending_history()
        self._health = FeedHealth(plan.stream, plan.provider_id, plan.mute_after_seconds, redis)
        self._ticks: TickBars | None = None
        self._due: deque[tuple[int, Bars, int | None]] = deque()

    def subscribe(self, should_stop: ShouldStop) -> Generator[LiveInstant | None, None, None]:
        """Yield each instant in rising order, None in between; ends on `should_stop` alone.

        Whoever takes an instant must have committed it before asking for the next.
        """
        link = None
        try:
            if self._plan.link is not None:
                self._ticks = self._tick_bars()
                link = TickLink(self._plan.link, self._frames)
                link.start()
            wait_ms = 1
            while not should_stop():
                if self._ticks is not None:
                    self._ticks.read(wait_ms=wait_ms)
                elif wait_ms == WAIT_MS:
                    time.sleep(WAIT_MS / 1000)
                instant = self._next_instant()
                self._health.report(link, self._history, self._ticks)
                yield instant
                if instant is not None:
                    self._frames.acknowledge(instant.cursor)
                wait_ms = WAIT_MS if instant is None else 1
        except (RedisError, OSError) as error:
            raise LiveFeedError(f"Redis does not answer: {error}") from error
        finally:
            if link is not None:
                link.close()

    def _tick_bars(self) -> TickBars:
        # The connection of a process that was killed could not say that it ended.
        self._frames.write_left(0)
        return TickBars(
            self._frames,
            instruments=list(self._plan.instruments),
            timeframe=self._base,
            cursor=self._plan.stream.tick_cursor,
            sealed_to=self._done_to,
            keep_ticks=self._plan.stream.keep_ticks,
        )

    def _pending_history(self) -> PendingHistory | None:
        if self._plan.fetch is None:
            return None
        patience = self._grace
        if self._plan.link is not None:
            patience = max(patience, round(BACKFILL_SECONDS * MICROS))
        return PendingHistory(
            list(self._plan.instruments),
            self._base,
            since=self._done_to,
            patience=patience,
            give_up_after=round(GIVE_UP_SECONDS * MICROS),
            fetch=self._plan.fetch,
        )

    def _next_instant(self) -> LiveInstant | None:
        """Return the next instant that is complete, None while there is none."""
        while True:
            while self._due:
                instant = self._instant(*self._due.popleft())
                if instant.bars:
                    return instant
            closed_at, now = self._next_close(), micros_now()
            if closed_at is None or closed_at > now or not self._close(closed_at, now):
                return None
            self._done_to = closed_at

    def _next_close(self) -> int | None:
        """Return the next instant at which a base bar closes: with ticks any, else by calendar."""
        if self._ticks is not None:
            return self._done_to - self._done_to % self._length + self._length
        found = (times.next_after(self._done_to) for times in set(self._closings.values()))
        return min((at for at in found if at is not None), default=None)

    def _close(self, closed_at: int, now: int) -> bool:
        """Queue what closes at the instant; return False while it has to be waited for."""
        ticks = self._ticks
        if ticks is None:
            return self._close_from_history(closed_at, now)
        if ticks.clock(now) < closed_at:
            return False  # the marks of a hole may still lie unread
        if not ticks.is_whole(closed_at):
            if not self._close_from_history(closed_at, now):
                return False
            ticks.close(closed_at)
            return True
        if not ticks.is_ready(closed_at, grace=self._grace, now=now):
            return False
        self._due.append((closed_at, ticks.close(closed_at), self._plan.provider_id))
        if self._history is not None:
            self._history.take(closed_at)
        return True

    def _close_from_history(self, closed_at: int, now: int) -> bool:
        """Queue the providers' bars up to the instant; return False while more may come."""
        expected = [
            one for one, times in self._closings.items() if times.opened_of(closed_at) is not None
        ]
        if self._history is None:
            unknown = expected
        elif self._history.is_settled(closed_at, expected, now):
            unknown = self._history.given_up(closed_at, expected, now)
            found: dict[int, Bars] = {}
            for one, series in self._history.take(closed_at).items():
                for bar in bars_of(series):
                    found.setdefault(to_micros(bar.closed_at), {})[one] = bar
            self._due.extend(
                (at, bars, self._history.source_of(bars)) for at, bars in sorted(found.items())
            )
        else:
            return False
        for one in unknown:
            self._frames.note_unknown(one, closed_at)
        if unknown:
            reason = self._history.failure if self._history else "no provider has history"
            at = f"{from_micros(closed_at):%Y-%m-%dT%H:%MZ}"
            log.warning("bars are missing", closed_at=at, instruments=len(unknown), reason=reason)
        # A longer bar may close although no base bar does.
        if not self._due or self._due[-1][0] != closed_at:
            self._due.append((closed_at, {}, None))
        return True

    def _instant(self, closed_at: int, base: Bars, source_id: int | None) -> LiveInstant:
        """Return the instant with all its timeframes; empty when nothing closes."""
        made = self._longer.closing_at(closed_at, base)
        self._note_lacking(closed_at, made)
        named = self._plan.instruments
        bars = tuple(
            FeedBar(named[one].venue, named[one].symbol, timeframe, bar)
            for (one, timeframe), bar in made.items()
        )
        at = from_micros(closed_at)
        if not bars:
            return LiveInstant(at, bars)
        lacking, self._lacking = tuple(self._lacking), []
        if self._ticks is None:
            return LiveInstant(at, bars, source_id=source_id, lacking=lacking)
        kept = self._ticks.take_ticks(closed_at)
        cursor = self._ticks.cursor(closed_at)
        return LiveInstant(at, bars, cursor, kept, source_id, lacking)

    def _note_lacking(self, closed_at: int, made: Made) -> None:
        """Remember which expected bars close at the instant and are not there."""
        for (name, timeframe), times in self._expected.items():
            opened_at = times.opened_of(closed_at)
            if opened_at is None or opened_at < self._known_from:
                continue
            lacking = [
                pk
                for pk, one in self._plan.instruments.items()
                if one.calendar == name and (pk, timeframe) not in made
            ]
            unknown = self._frames.unknown_in(opened_at, closed_at) if lacking else set()
            span = (from_micros(opened_at), from_micros(closed_at))
            self._lacking += [Lack(pk, timeframe, *span, pk in unknown) for pk in lacking]


def keep_place(stream: Stream, instant: LiveInstant) -> None:
    """Commit, in the transaction of the seal, from where to read on, what lacks, the raw ticks."""
    note_gaps(instant.lacking)
    if instant.ticks is not None:
        store_ticks(ticks=instant.ticks, source_id=instant.source_id)
    Stream.objects.filter(pk=stream.pk).update(tick_cursor=instant.cursor)


def _known_from(stream: Stream, base: Timeframe) -> int:
    """Return from where on the stream itself has seen to every bar of its base timeframe."""
    first = Seal.objects.filter(stream_id=stream.pk).order_by("closed_at").first()
    return to_micros(stream.sealed_to if first is None else first.closed_at - base.length)
