"""What a feed is: history, what can be traded, and closed instants as they arrive."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from domain.bars import Bar, BarSeries, Split, Timeframe
from domain.errors import PlumblineError

ShouldStop = Callable[[], bool]


class FeedError(PlumblineError):
    """The provider cannot be used: not installed, unreadable, refusing."""

    code = "feed_error"


class UnsupportedByFeedError(FeedError):
    """The feed cannot do this; its capabilities say so."""

    code = "unsupported_by_feed"


@dataclass(frozen=True, slots=True)
class FeedCapabilities:
    """What a feed can do. Ask before calling: a call beyond it raises `UnsupportedByFeedError`."""

    has_history: bool
    has_subscription: bool
    timeframes: tuple[Timeframe, ...] = ()


@dataclass(frozen=True, slots=True)
class FeedInstrument:
    """One instrument as the provider offers it."""

    venue: str
    symbol: str
    kind: str
    currency: str
    tick_size: Decimal
    lot_size: Decimal


@dataclass(frozen=True, slots=True)
class FeedBar:
    """One closed bar, by the instrument's natural name."""

    venue: str
    symbol: str
    timeframe: Timeframe
    bar: Bar


@dataclass(frozen=True, slots=True)
class FeedInstant:
    """All bars that close at one instant."""

    closed_at: datetime
    bars: tuple[FeedBar, ...]


class Feed(Protocol):
    """One provider of bars. Every call that waits for the outside has a timeout."""

    @property
    def capabilities(self) -> FeedCapabilities:
        """Return what this feed can do."""

    def instruments(self) -> Sequence[FeedInstrument]:
        """Return what the provider offers."""

    def history(
        self, *, venue: str, symbol: str, timeframe: Timeframe, after: datetime | None
    ) -> BarSeries:
        """Return the bars that opened after the instant (None: all), in rising time."""

    def splits(self, *, venue: str, symbol: str) -> Sequence[Split]:
        """Return the splits the provider knows, in time order."""

    def subscribe(
        self, *, after: datetime, should_stop: ShouldStop
    ) -> Iterator[FeedInstant | None]:
        """Yield each instant after `after`, closed and complete, in rising order.

        None comes at least once a second while nothing else does, so that the caller can show
        it lives. The iterator ends when the feed has nothing more for ever, or on `should_stop`.
        """
