"""Hints to open pages after commit: "this topic has a newer version". Never the data itself.

The walk only writes a version into a dictionary (a microsecond); a thread of this process sends
the newest one per topic, at most four times a second, and nothing it meets comes back.
"""

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction

from domain import bus
from domain.events import (
    AccountHalted,
    AccountResumed,
    BookMoved,
    BotChanged,
    BotChecked,
    BotCreated,
    BotPromoted,
    BotStateChanged,
    Event,
    IncidentRaised,
    InstantSealed,
    QuotesMoved,
    WeightVersionActivated,
)

PAUSE_SECONDS = 0.25
SEND_SECONDS = 2.0

# What pages may ask for. "desk" moves with every change of the book.
TOPICS = (
    *("alerts", "bars", "bots", "desk", "fills", "orders", "positions", "quotes", "signals"),
    "weights",
)

MOVED_BY: dict[type[Event], tuple[str, ...]] = {
    AccountHalted: ("desk", "alerts"),
    AccountResumed: ("desk", "alerts"),
    BotChanged: ("bots",),
    BotChecked: ("bots",),
    BotCreated: ("bots",),
    BotPromoted: ("bots",),
    BotStateChanged: ("bots",),
    IncidentRaised: ("alerts",),
    WeightVersionActivated: ("weights",),
}

log = logging.getLogger(__name__)


def group_name(topic: str) -> str:
    """Return the channel group of a topic."""
    return f"live.{topic}"


class Broadcaster:
    """The newest unsent version per topic, and the thread that sends it."""

    def __init__(self) -> None:
        self.sent = 0
        self.failed = 0
        self._fresh: dict[tuple[str, int], str] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None

    def mark(self, hints: Sequence[tuple[str, int, str]]) -> None:
        """Note (topic, account, version) as newest; the thread sends it within 250 ms."""
        with self._lock:
            for topic, shard, version in hints:
                self._fresh[topic, shard] = version
            self._idle.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="live-hints", daemon=True)
                self._thread.start()
        self._wake.set()

    def flush(self, timeout_seconds: float = 1.0) -> bool:
        """Wait until everything noted is sent or failed; tell whether that happened in time."""
        return self._idle.wait(timeout_seconds)

    def _run(self) -> None:
        try:
            asyncio.run(self._send_for_ever())
        except Exception:
            log.exception("live hints stopped")
        finally:
            with self._lock:
                self._thread = None

    async def _send_for_ever(self) -> None:
        while True:
            # Waiting blocks this thread's loop, which has nothing else to do.
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                fresh, self._fresh = self._fresh, {}
            for (topic, shard), version in fresh.items():
                await self._send(topic, shard, version)
            with self._lock:
                if not self._fresh:
                    self._idle.set()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _send(self, topic: str, shard: int, version: str) -> None:
        message = {"type": "hint", "topic": topic, "account": shard, "version": version}
        try:
            layer = get_channel_layer()
            await asyncio.wait_for(layer.group_send(group_name(topic), message), SEND_SECONDS)
        except Exception as error:  # noqa: BLE001  (whatever Redis does, the walk goes on)
            # A lost hint costs a page at most its next look of its own; see static/desk.js.
            self.failed += 1
            if self.failed & (self.failed - 1) == 0:  # 1, 2, 4, 8: loud at first, then rarely
                log.warning("live hint not sent (%d so far): %s", self.failed, error)
        else:
            self.sent += 1


# Threads do not survive a fork: each process makes its own on its first hint.
_broadcaster = Broadcaster()


def _after_fork() -> None:
    global _broadcaster  # noqa: PLW0603 - one per process, made anew in a child
    _broadcaster = Broadcaster()


os.register_at_fork(after_in_child=_after_fork)


def register() -> None:
    """Listen to the bus, and send what is left when the process ends; twice changes nothing."""
    bus.listen(hint_after_commit)
    atexit.unregister(flush)
    atexit.register(flush)


def hint_after_commit(events: Sequence[Event]) -> None:
    """Note the topics these events move, once their transaction has committed."""
    if not getattr(settings, "LIVE_BROADCAST", True):
        return
    hints = [hint for event in events for hint in hints_of(event)]
    if hints:
        transaction.on_commit(partial(_mark, hints), robust=True)


def _mark(hints: Sequence[tuple[str, int, str]]) -> None:
    _broadcaster.mark(hints)


def hints_of(event: Event) -> list[tuple[str, int, str]]:
    """Return (topic, account, version) for everything the event makes stale on a page."""
    if isinstance(event, BookMoved):
        topics = {"desk", *event.topics} & set(TOPICS)
        return [(topic, event.shard, str(event.version)) for topic in sorted(topics)]
    if isinstance(event, InstantSealed):
        return [("bars", 0, event.closed_at.isoformat())]
    if isinstance(event, QuotesMoved):
        return [("quotes", 0, event.at.isoformat())]
    subject: Any = getattr(event, "subject", "")
    return [(topic, 0, str(subject)) for topic in MOVED_BY.get(type(event), ())]


def flush(timeout_seconds: float = 0.5) -> bool:
    """Wait until the hints of this process are out; tell whether they are."""
    return _broadcaster.flush(timeout_seconds)


def counts() -> tuple[int, int]:
    """Return how many hints this process sent, and how many it could not."""
    return _broadcaster.sent, _broadcaster.failed
