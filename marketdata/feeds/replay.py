"""Plays stored bars as if they were live: fast at first if wanted, then at a steady pace."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from marketdata.feeds.base import Feed, FeedCapabilities, FeedInstant, ShouldStop
from marketdata.feeds.registry import FEEDS

ReadInstants = Callable[[datetime, int], Sequence[FeedInstant]]
MayGoOn = Callable[[datetime], bool]

INSTANTS_PER_READ = 64
# Short enough to stop at once and to keep a fast desk busy, long enough to cost nothing.
POLL_SECONDS = 0.05


def always(_: datetime) -> bool:
    """Return True: nobody holds the replay back."""
    return True


@FEEDS.register("replay")
@dataclass(frozen=True, kw_only=True)
class ReplayFeed(Feed):
    """Stored bars, handed in by `read(after, limit)`, instant by instant.

    Up to `fast_until` an instant is played as soon as `may_go_on(closed_at)` agrees, at the
    latest after `pace_seconds`, so that a stuck listener slows the replay down and never
    stops it; from there on one instant every `pace_seconds`.
    """

    name: ClassVar[str] = "replay"

    read: ReadInstants
    pace_seconds: float
    fast_until: datetime | None = None
    ends_at: datetime | None = None
    may_go_on: MayGoOn = always
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    @property
    def capabilities(self) -> FeedCapabilities:
        """Return that this feed only plays."""
        return FeedCapabilities(has_instants=True)

    def subscribe(
        self, *, after: datetime, should_stop: ShouldStop
    ) -> Iterator[FeedInstant | None]:
        """Yield the stored instants in order, in time; None while waiting."""
        played_at = self.monotonic() - self.pace_seconds
        while batch := self.read(after, INSTANTS_PER_READ):
            for instant in batch:
                if self.ends_at is not None and instant.closed_at > self.ends_at:
                    return
                while not self._is_due(instant, played_at):
                    if should_stop():
                        return
                    self.sleep(POLL_SECONDS)
                    yield None
                if should_stop():
                    return
                played_at = self.monotonic()
                yield instant
            after = batch[-1].closed_at

    def _is_due(self, instant: FeedInstant, played_at: float) -> bool:
        if self.monotonic() - played_at >= self.pace_seconds:
            return True
        is_fast = self.fast_until is not None and instant.closed_at <= self.fast_until
        return is_fast and self.may_go_on(instant.closed_at)
