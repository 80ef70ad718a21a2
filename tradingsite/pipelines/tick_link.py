"""A live connection in threads of its own: a provider's ticks, into the stream, without a pause.

One thread takes from the provider and reconnects, another writes frames. No table is touched
here: whoever started the link reads its `status` and says so in the record.
"""

import random
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, cast

import numpy as np
import structlog
from redis.exceptions import RedisError

from domain.errors import PlumblineError
from domain.ticks import TickArray, joined_ticks
from marketdata.feeds.base import Feed, FeedUnavailableError
from marketdata.services.tick_stream import TickStream
from marketdata.tick_frames import TICKS_PER_FRAME

COALESCE_SECONDS = 0.005
# More than this unwritten means Redis is stuck: the connection is given up, not memory.
MOST_WAITING = 20_000
MOST_PER_WRITE = 20 * TICKS_PER_FRAME
STOP = "stop"
PUT_SECONDS = 5.0
STOP_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.5
# A provider that is back is found within this time.
LONGEST_RETRY_SECONDS = 10.0
MICROS = 1_000_000

log = structlog.get_logger("feed")


class MuteFeedError(FeedUnavailableError):
    """The provider is connected and says nothing while its market is open."""

    code = "mute_feed"


class StuckStreamError(PlumblineError):
    """Frames cannot be written: Redis is away or far too slow."""

    code = "stuck_tick_stream"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """How the connection is; instants in epoch micros, `message_at` that of the last tick."""

    state: str
    reason: str
    message_at: int
    bad_messages: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """What a link connects: `ids` are the instruments' own numbers, in the order of `symbols`."""

    provider: str
    feed: Callable[[], Feed]
    symbols: tuple[str, ...]
    ids: tuple[int, ...]
    mute_after_seconds: float
    is_open: Callable[[], bool]
    was_mute: bool = False


class TickLink:
    """Keeps one provider's ticks flowing into the stream until closed."""

    def __init__(self, plan: LinkPlan, stream: TickStream) -> None:
        self.plan = plan
        self.status = LinkStatus("down", "connecting", 0)
        self._stream = stream
        self._ids = np.array(plan.ids, dtype=np.int32)
        # A restart does not make a mute feed speak.
        silent = plan.mute_after_seconds if plan.was_mute else 0.0
        self._silent_since = time.monotonic() - silent
        self._stop = Event()
        self._thread = Thread(target=self._run, name=f"ticks of {plan.provider}", daemon=True)

    def start(self) -> None:
        """Connect, in the background."""
        self._thread.start()

    def close(self) -> None:
        """Stop; the thread ends within the feed's own second."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def is_mute(self) -> bool:
        """Tell whether no tick has come for too long while the market is open, however it is."""
        if not self.plan.is_open():
            self._silent_since = time.monotonic()
        return time.monotonic() - self._silent_since > self.plan.mute_after_seconds

    def _run(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        while not self._stop.is_set():
            began = micros_now()
            state = "down"
            try:
                self._session()
                continue
            except MuteFeedError as error:
                state, reason = "mute", str(error)
            except (PlumblineError, RedisError, OSError) as error:
                reason = " ".join(str(error).split())[:200]
            except Exception as error:
                reason = f"fault in the feed: {error!r}"[:200]
                log.exception("tick link failed", provider=self.plan.provider)
            self.status = replace(self.status, state=state, reason=reason)
            # A connection alone is no success: a mute one lasts long, and brings nothing.
            if self.status.message_at - began > LONGEST_RETRY_SECONDS * MICROS:
                retry_seconds = FIRST_RETRY_SECONDS
            pause = jittered(retry_seconds)
            log.warning(
                "tick link reconnects",
                provider=self.plan.provider,
                reason=reason,
                seconds=round(pause, 2),
            )
            self._stop.wait(pause)
            retry_seconds = min(2 * retry_seconds, LONGEST_RETRY_SECONDS)

    def _session(self) -> None:
        """Take ticks from one connection until it ends, is mute or `close` is called."""
        feed = self.plan.feed()
        writer = FrameWriter(self._stream)
        seen_at, joined, joined_at = 0, 0.0, 0
        ticks = feed.subscribe_ticks(symbols=self.plan.symbols, should_stop=self._stop.is_set)
        try:
            with closing(cast(Generator[Any, None, None], ticks)):
                for batch in ticks:
                    if not seen_at:
                        joined, joined_at = time.monotonic(), micros_now()
                        writer.start()
                        writer.joined(joined_at)
                    writer.refuse_stuck()
                    seen_at = micros_now()
                    if batch is not None:
                        self._silent_since = time.monotonic()
                        writer.put(self._with_ids(batch))
                        self.status = LinkStatus("connected", "", seen_at, feed.bad_messages)
                    elif not self.is_mute():
                        self.status = replace(self.status, state="connected", reason="")
                    elif time.monotonic() - joined > self.plan.mute_after_seconds:
                        seen_at = max(self.status.message_at, joined_at)
                        raise MuteFeedError(self._why_mute())
                    else:  # a new connection alone is no data
                        self.status = replace(self.status, state="mute", reason=self._why_mute())
        finally:
            if seen_at:
                writer.finish(seen_at)

    def _why_mute(self) -> str:
        seconds = self.plan.mute_after_seconds
        return f"connected, and no tick for {seconds:g} s while the market is open"

    def _with_ids(self, ticks: TickArray) -> TickArray:
        """Return the ticks with the instruments' numbers instead of the symbols' places."""
        ours = ticks.copy()
        ours["instrument"] = self._ids[ticks["instrument"]]
        return ours


class FrameWriter:
    """Collects ticks for at most 5 ms or one frame, and writes them in a thread of its own."""

    def __init__(self, stream: TickStream) -> None:
        self._stream = stream
        # Ticks, the instant of a join, or STOP.
        self._waiting: Queue[Any] = Queue(MOST_WAITING)
        self._fault = ""
        self._thread = Thread(target=self._run, name="tick frames", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def joined(self, micros: int) -> None:
        """Say in the stream that the ticks are complete from here on."""
        self._put(micros)

    def put(self, ticks: TickArray) -> None:
        """Hand ticks over; waits while the writer is far behind."""
        self._put(ticks)

    def finish(self, left_at: int) -> None:
        """Write what waits, then that the ticks were complete up to `left_at`; never raises."""
        with suppress(StuckStreamError):
            self._put(STOP)
            self._thread.join(STOP_SECONDS)
        with suppress(RedisError, OSError):
            # After a fault frames are missing: the ticks were whole up to the last one written.
            self._stream.write_left(0 if self._fault or self._thread.is_alive() else left_at)

    def refuse_stuck(self) -> None:
        """Raise when frames can no longer be written."""
        if self._fault:
            raise StuckStreamError(self._fault)

    def _put(self, item: Any) -> None:
        self.refuse_stuck()
        try:
            self._waiting.put(item, timeout=PUT_SECONDS)
        except Full:
            self._fault = f"{MOST_WAITING} batches of ticks wait to be written to Redis"
            raise StuckStreamError(self._fault) from None

    def _run(self) -> None:
        try:
            item = self._waiting.get()
            while item is not STOP:
                if isinstance(item, int):
                    self._stream.write_joined(item)
                    item = self._waiting.get()
                else:
                    item = self._write_frames(item)
        except (RedisError, OSError) as error:
            self._fault = f"Redis does not take ticks: {error}"[:200]

    def _write_frames(self, first: Any) -> Any:
        """Write the ticks together with those that follow soon; return the next item."""
        batch, size, ends = [first], len(first), time.monotonic() + COALESCE_SECONDS
        item: Any = None
        while size < MOST_PER_WRITE:
            left = ends - time.monotonic() if size < TICKS_PER_FRAME else 0.0
            try:
                item = self._waiting.get(timeout=max(0.0, left))
            except Empty:
                break
            if not isinstance(item, np.ndarray):
                break
            batch.append(item)
            size += len(item)
            item = None
        self._stream.write(joined_ticks(batch), micros_now())
        return self._waiting.get() if item is None else item


def jittered(seconds: float) -> float:
    """Return half of the pause up to all of it: who left together must not come back together."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def micros_now() -> int:
    """Return the wall clock in epoch microseconds."""
    return time.time_ns() // 1000
