"""The port to every source of market data: what a feed can do, and how it says that it cannot.

An adapter subclasses `Feed` and writes only what its provider can do; the rest refuses by
itself. It makes one call where the port is called once: cutting a long history into spans,
retrying, failing over and reconnecting are the caller's work, written once for all feeds.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NoReturn, TypeVar
from urllib.parse import urlsplit

from domain.bars import Bar, BarSeries, Split, Timeframe
from domain.budget import RateBudget, Unlimited
from domain.errors import PlumblineError
from domain.ticks import TickArray

ShouldStop = Callable[[], bool]


class FeedError(PlumblineError):
    """The provider cannot be used: not installed, wrongly set up, refusing."""

    code = "feed_error"


class BadFeedOptionsError(FeedError):
    """An option of the feed is unknown, of the wrong kind or out of range."""

    code = "bad_feed_options"


class UnsupportedByFeedError(FeedError):
    """The feed cannot do this; its capabilities say so. Asking again changes nothing."""

    code = "unsupported_by_feed"


class UnknownSymbolError(FeedError):
    """The provider does not have this symbol. Asking again changes nothing."""

    code = "unknown_symbol"


class FeedUnavailableError(FeedError):
    """No usable answer: network, timeout, 5xx, an error page, half a message; ask again."""

    code = "feed_unavailable"


class RateLimitedError(FeedError):
    """Too many calls; the provider said how long to wait, or None when it did not."""

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class FeedCapabilities:
    """What a feed can do. Ask before calling: a call beyond it raises `UnsupportedByFeedError`."""

    has_history: bool = False
    has_instants: bool = False  # closed instants, complete: a replay
    has_ticks: bool = False
    has_quote: bool = False
    has_instruments: bool = False
    timeframes: tuple[Timeframe, ...] = ()
    # The longest span of history one call may ask for; a timeframe not named has no limit.
    longest_span: Mapping[Timeframe, timedelta] = field(default_factory=dict)
    most_quotes: int = 1  # names per call


@dataclass(frozen=True, slots=True)
class FeedInstrument:
    """One instrument as a provider or a master file offers it."""

    venue: str
    symbol: str
    kind: str
    currency: str
    tick_size: Decimal
    lot_size: Decimal
    multiplier: Decimal = Decimal(1)
    provider_symbol: str = ""  # '': the same as `symbol`
    calendar: str = ""  # '': not known
    expires_at: datetime | None = None
    strike: Decimal | None = None
    right: str = ""  # C, P or ''
    underlying: str = ""  # VENUE:SYMBOL or ''


@dataclass(frozen=True, slots=True)
class FeedQuote:
    """What one instrument trades at; what the provider does not say is None."""

    at: datetime
    last: float | None = None
    bid: float | None = None
    bid_size: float | None = None
    ask: float | None = None
    ask_size: float | None = None


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


O = TypeVar("O", bound="FeedOptions")  # noqa: E741 - the options class that parses itself


@dataclass(frozen=True)
class FeedOptions:
    """Base of a feed's typed options; they hold addresses and limits, never secrets."""

    @classmethod
    def parse(cls: type[O], values: Mapping[str, Any]) -> O:
        """Return the options, defaults filled in; what does not fit is refused in one line."""
        kinds: dict[str, Any] = {one.name: one.type for one in fields(cls)}
        unknown = sorted(set(values) - set(kinds))
        if unknown:
            known = ", ".join(sorted(kinds)) or "none"
            raise BadFeedOptionsError(f"unknown option '{unknown[0]}'; known: {known}")
        needed = [
            one.name
            for one in fields(cls)
            if one.default is MISSING and one.default_factory is MISSING
        ]
        missing = [name for name in needed if name not in values]
        if missing:
            raise BadFeedOptionsError(f"option '{missing[0]}' is missing")
        for name, value in values.items():
            allowed = (int, float) if kinds[name] is float else (kinds[name],)
            if not isinstance(value, allowed) or isinstance(value, bool) != (kinds[name] is bool):
                said = kinds[name].__name__
                raise BadFeedOptionsError(f"option '{name}' must be of kind {said}, not {value!r}")
        return cls(**values)


def check_url(name: str, url: str, schemes: Sequence[str]) -> None:
    """Refuse what is no address of these schemes, or holds a password."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise BadFeedOptionsError(f"option '{name}' is no address: '{url}'") from None
    if not is_address:
        known = " or ".join(f"{scheme}://HOST" for scheme in schemes)
        raise BadFeedOptionsError(f"option '{name}' must begin with {known}, not '{url}'")
    if parts.username is not None or parts.password is not None:
        raise BadFeedOptionsError(f"option '{name}' must not hold a user or a password")


def check_seconds(name: str, seconds: float, *, most: float = 300.0) -> None:
    """Refuse a timeout that is none."""
    if not 0 < seconds <= most:
        raise BadFeedOptionsError(f"option '{name}' is {seconds:g}, allowed: above 0 to {most:g}")


class Feed:
    """One source of market data. Every call that waits for the outside has a timeout.

    Symbols are the provider's own. What a class does not write itself refuses.
    """

    name: ClassVar[str] = "this feed"
    # None: no row in the database makes this feed (a replay gets its bars handed in).
    Options: ClassVar[type[FeedOptions] | None] = None

    def __init__(self, options: Any = None, budget: RateBudget | None = None) -> None:
        self.options = options
        self.budget = budget or Unlimited()

    @property
    def capabilities(self) -> FeedCapabilities:
        """Return what this feed can do."""
        return FeedCapabilities()

    @property
    def bad_messages(self) -> int:
        """Return how many live messages could not be read since the feed was made."""
        return 0

    def symbol_of(self, *, venue: str, symbol: str) -> str | None:
        """Return the provider's symbol for an instrument nobody mapped; None: not offered."""
        return symbol

    def instruments(self) -> Iterator[FeedInstrument]:
        """Yield what the provider offers."""
        self._refuse("offers no list of instruments")

    def history(
        self, *, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> BarSeries:
        """Return the closed bars with `since <= opened_at < until`, in rising time.

        The span is within `longest_span`; a bar that has not closed yet is never returned.
        """
        self._refuse("has no history")

    def quote(self, symbols: Sequence[str]) -> Mapping[str, FeedQuote]:
        """Return the latest quotes by symbol, at most `most_quotes` names; unknown ones lack."""
        self._refuse("has no quotes")

    def splits(self, *, symbol: str) -> Sequence[Split]:
        """Return the splits the provider knows, in time order."""
        return ()

    def subscribe(
        self, *, after: datetime, should_stop: ShouldStop
    ) -> Iterator[FeedInstant | None]:
        """Yield each instant after `after`, closed and complete, in rising order.

        None comes at least once a second while nothing else does, so that the caller can show
        it lives. The iterator ends when the feed has nothing more for ever, or on `should_stop`.
        """
        self._refuse("delivers no closed instants")

    def subscribe_ticks(
        self, *, symbols: Sequence[str], should_stop: ShouldStop
    ) -> Generator[TickArray | None, None, None]:
        """Yield ticks as they come: rows of `domain.ticks.TICK`, never none, in order of arrival.

        Their `instrument` is the symbol's place in `symbols`: a feed knows no ids.
        None comes at least once a second while no tick does: the connection lives and is mute.
        A connection that fails or ends raises `FeedUnavailableError`; connecting again is the
        caller's work. It ends on `should_stop` alone; closing it closes the connection.
        """
        self._refuse("delivers no ticks")

    def _refuse(self, what: str) -> NoReturn:
        raise UnsupportedByFeedError(f"{self.name} {what}")


def history_spans(
    capabilities: FeedCapabilities, *, timeframe: Timeframe, since: datetime, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the (since, until) of each call that together bring the whole span, oldest first."""
    longest = capabilities.longest_span.get(timeframe, until - since)
    while since < until:
        ends = min(since + longest, until)
        yield since, ends
        since = ends
