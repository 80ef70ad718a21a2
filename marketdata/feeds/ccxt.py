"""Crypto exchanges through the library ccxt: history, quotes and instruments over REST.

ccxt is an extra (`requirements-crypto.txt`). Public data only: no keys, no orders. The address of
every call can be turned to another host with `base_url`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from domain.bars import BarSeries, FloatArray, Timeframe, joined, to_micros
from domain.budget import RateBudget
from marketdata.feeds.base import (
    BadFeedOptionsError,
    Feed,
    FeedCapabilities,
    FeedError,
    FeedInstrument,
    FeedOptions,
    FeedQuote,
    FeedUnavailableError,
    RateLimitedError,
    UnknownSymbolError,
    UnsupportedByFeedError,
    check_seconds,
    check_url,
)
from marketdata.feeds.registry import FEEDS

R = TypeVar("R")

USUAL_PAGE = 500
QUOTES_PER_CALL = 100
FINEST_STEP = Decimal("1e-8")
MICROS_PER_MILLI = 1000
# binance would ask hosts of its futures, margin and wallet too before it names one market.
SPOT_ONLY: Mapping[str, Mapping[str, Any]] = {
    "binance": {
        "fetchMarkets": {"types": ["spot"]},
        "fetchMargins": False,
        "fetchCurrencies": False,
    }
}
# What ccxt's parsers raise on an answer of another shape than they expect.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class CcxtOptions(FeedOptions):
    """Which exchange, and how to call it."""

    exchange: str  # ccxt's id, such as binance or kraken
    base_url: str = ""  # '': the exchange's own addresses
    venue: str = ""  # of its instruments; '': the exchange's id in capitals
    timeout_seconds: float = 10.0
    settle_seconds: float = 2.0  # a bar counts as closed this long after its end
    page_bars: int = 0  # bars per call; 0: as many as ccxt knows the exchange to give
    exchange_options: dict = field(default_factory=dict)  # type: ignore[type-arg] # ccxt's own

    def __post_init__(self) -> None:
        if not self.exchange.isidentifier():
            raise BadFeedOptionsError(f"option 'exchange' is no id of ccxt: '{self.exchange}'")
        if self.base_url:
            check_url("base_url", self.base_url, ("http", "https"))
        check_seconds("timeout_seconds", self.timeout_seconds)
        if not 0 <= self.settle_seconds <= 3600:
            raise BadFeedOptionsError(
                f"option 'settle_seconds' is {self.settle_seconds:g}, allowed: 0 to 3600"
            )
        if not 0 <= self.page_bars <= 100_000:
            raise BadFeedOptionsError(
                f"option 'page_bars' is {self.page_bars}, allowed: 0 to 100000"
            )


@FEEDS.register("ccxt")
class CcxtFeed(Feed):
    """One exchange, as ccxt speaks to it."""

    name = "ccxt"
    Options = CcxtOptions

    def __init__(
        self,
        options: CcxtOptions,
        budget: RateBudget | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(options, budget)
        self._ccxt = _library()
        self._exchange = _exchange(self._ccxt, options)
        self._now = now
        self.venue = options.venue or options.exchange.upper()

    @property
    def capabilities(self) -> FeedCapabilities:
        """Return what the exchange can do."""
        has, known = self._exchange.has, self._exchange.timeframes or {}
        timeframes = tuple(one for one in Timeframe if one.value in known)
        return FeedCapabilities(
            has_history=bool(has.get("fetchOHLCV")) and bool(timeframes),
            has_quote=bool(has.get("fetchTickers") or has.get("fetchTicker")),
            has_instruments=True,
            timeframes=timeframes,
            longest_span={one: self._page * one.length for one in timeframes},
            most_quotes=QUOTES_PER_CALL if has.get("fetchTickers") else 1,
        )

    def symbol_of(self, *, venue: str, symbol: str) -> str | None:
        """Return the text as it is, BTC/USDT or BTCUSDT, for instruments of this exchange."""
        return symbol if venue == self.venue else None

    def instruments(self) -> Iterator[FeedInstrument]:
        """Yield every market that trades."""
        markets = self._markets()
        taken: set[str] = set()
        for market in sorted(markets.values(), key=lambda one: str(one["symbol"])):
            if market.get("active") is False:
                continue
            found = self._read(lambda one=market: self._instrument(one))  # type: ignore[misc]
            if found.symbol in taken:
                continue
            taken.add(found.symbol)
            yield found

    def history(
        self, *, symbol: str, timeframe: Timeframe, since: datetime, until: datetime
    ) -> BarSeries:
        """Return the closed bars of the span, page by page where the exchange gives fewer."""
        if timeframe not in self.capabilities.timeframes:
            raise UnsupportedByFeedError(f"{self._said} has no bars of {timeframe.value}")
        unified = self._market(symbol)["symbol"]
        length = timeframe.length // timedelta(microseconds=1)
        settled = self._now() - timedelta(seconds=self.options.settle_seconds)
        first, last = to_micros(since), min(to_micros(until), to_micros(settled) - length + 1)
        pages = []
        while first < last:
            page = self._page_of(unified, timeframe, first, last)
            pages.append(page)
            if not len(page):
                break
            first = int(page.opened_at[-1]) + length
        return joined(pages)

    def quote(self, symbols: Sequence[str]) -> Mapping[str, FeedQuote]:
        """Return the tickers of the symbols."""
        has = self._exchange.has
        unified = {symbol: str(self._market(symbol)["symbol"]) for symbol in symbols}
        if has.get("fetchTickers"):
            tickers = self._call(lambda: self._exchange.fetch_tickers(list(unified.values())))
        else:
            tickers = {
                name: self._call(lambda name=name: self._exchange.fetch_ticker(name))  # type: ignore[misc]
                for name in unified.values()
            }
        found = {symbol: tickers.get(name) for symbol, name in unified.items()}
        return self._read(
            lambda: {symbol: self._quote(one) for symbol, one in found.items() if one is not None}
        )

    @property
    def _said(self) -> str:
        return f"ccxt {self.options.exchange}"

    @property
    def _page(self) -> int:
        """Return how many bars one call brings."""
        if self.options.page_bars:
            return int(self.options.page_bars)
        limits = (self._exchange.features or {}).get("spot") or {}
        return int((limits.get("fetchOHLCV") or {}).get("limit") or USUAL_PAGE)

    def _markets(self) -> dict[str, Any]:
        if not self._exchange.markets:
            self._call(self._exchange.load_markets)
        markets: dict[str, Any] = self._exchange.markets
        return markets

    def _market(self, symbol: str) -> Any:
        self._markets()
        try:
            return self._exchange.market(symbol)
        except (self._ccxt.BaseError, *UNREADABLE):
            raise UnknownSymbolError(f"{self._said} does not have '{symbol}'") from None

    def _page_of(self, symbol: str, timeframe: Timeframe, first: int, last: int) -> BarSeries:
        """Return the bars of one call with `first <= opened_at < last`."""
        length = timeframe.length // timedelta(microseconds=1)
        wanted = min(self._page, -(-(last - first) // length))
        rows = self._call(
            lambda: self._exchange.fetch_ohlcv(
                symbol,
                timeframe.value,
                since=-(-first // MICROS_PER_MILLI),
                limit=wanted,
                params={"until": (last - 1) // MICROS_PER_MILLI},
            )
        )
        bars = self._read(lambda: _series(rows, length))
        begin, end = np.searchsorted(bars.opened_at, [first, last])
        return bars[int(begin) : int(end)]

    def _instrument(self, market: Mapping[str, Any]) -> FeedInstrument:
        is_spot = bool(market.get("spot"))
        expires = market.get("expiry")
        strike = market.get("strike")
        base, quoted = str(market["base"]), str(market["quote"])
        spot_name = f"{base}{quoted}"
        return FeedInstrument(
            venue=self.venue,
            symbol=spot_name if is_spot else str(market["symbol"]),
            kind="crypto" if is_spot else "option" if market.get("option") else "future",
            currency=quoted,
            tick_size=self._step(market, "price"),
            lot_size=self._step(market, "amount"),
            multiplier=Decimal(str(market.get("contractSize") or 1)),
            provider_symbol=str(market["symbol"]),
            calendar="24/7",
            expires_at=None if expires is None else _instant(expires),
            strike=None if strike is None else Decimal(str(strike)),
            right={"call": "C", "put": "P"}.get(str(market.get("optionType")), ""),
            underlying="" if is_spot else f"{self.venue}:{spot_name}",
        )

    def _step(self, market: Mapping[str, Any], name: str) -> Decimal:
        """Return the smallest step, which ccxt gives as a step or as a number of decimals."""
        value = (market.get("precision") or {}).get(name)
        if value is None or self._exchange.precisionMode == self._ccxt.SIGNIFICANT_DIGITS:
            return FINEST_STEP
        if self._exchange.precisionMode == self._ccxt.DECIMAL_PLACES:
            return Decimal(1).scaleb(-int(value))
        return Decimal(str(value))

    def _quote(self, ticker: Mapping[str, Any]) -> FeedQuote:
        at = ticker.get("timestamp")
        return FeedQuote(
            at=self._now() if at is None else _instant(at),
            last=_optional(ticker.get("last")),
            bid=_optional(ticker.get("bid")),
            bid_size=_optional(ticker.get("bidVolume")),
            ask=_optional(ticker.get("ask")),
            ask_size=_optional(ticker.get("askVolume")),
        )

    def _call(self, call: Callable[[], Any]) -> Any:
        """Make one call within the budget; every failure becomes one line of ours."""
        self.budget.take()
        self._exchange.last_json_response = None
        try:
            found = call()
        except self._ccxt.BaseError as error:
            self._fail(error)
        except UNREADABLE:
            found = None
        # An error page with status 200, or half a message: ccxt hands its text to the parsers.
        if found is None or self._exchange.last_json_response is None:
            text = " ".join(str(self._exchange.last_http_response or "nothing").split())[:80]
            raise FeedUnavailableError(f"{self._said}: the answer cannot be read: {text}")
        return found

    def _read(self, read: Callable[[], R]) -> R:
        try:
            return read()
        except UNREADABLE as error:
            reason = f"{type(error).__name__}: {error}"[:120]
            raise FeedUnavailableError(
                f"{self._said}: the answer has another shape: {reason}"
            ) from None

    def _fail(self, error: Exception) -> NoReturn:
        ccxt = self._ccxt
        line = f"{self._said}: {type(error).__name__}: {' '.join(str(error).split())}"[:300]
        if isinstance(error, ccxt.RateLimitExceeded | ccxt.DDoSProtection):
            headers = self._exchange.last_response_headers or {}
            raise RateLimitedError(line, retry_after_seconds=_seconds(headers)) from None
        if isinstance(error, ccxt.OperationFailed):
            raise FeedUnavailableError(line) from None
        if isinstance(error, ccxt.BadSymbol):
            raise UnknownSymbolError(line) from None
        if isinstance(error, ccxt.NotSupported):
            raise UnsupportedByFeedError(line) from None
        raise FeedError(line) from None


def _library() -> ModuleType:
    try:
        # 1 s and 60 MB, and an extra: only who calls an exchange pays for it.
        import ccxt  # noqa: PLC0415
    except ImportError:
        raise FeedError(
            "the feed 'ccxt' needs an extra: pip install -r requirements-crypto.txt"
        ) from None
    found: ModuleType = ccxt
    return found


def _exchange(ccxt: ModuleType, options: CcxtOptions) -> Any:
    """Return ccxt's client of the exchange with its addresses turned to `base_url`."""
    if options.exchange not in ccxt.exchanges:
        raise BadFeedOptionsError(f"option 'exchange': ccxt knows no '{options.exchange}'")
    exchange = getattr(ccxt, options.exchange)(
        {
            "timeout": int(options.timeout_seconds * 1000),
            "enableLastJsonResponse": True,
            "options": {**SPOT_ONLY.get(options.exchange, {}), **options.exchange_options},
        }
    )
    if options.base_url:
        exchange.urls["api"] = turned(exchange.urls["api"], options.base_url)
    return exchange


def turned(urls: Any, base_url: str) -> Any:
    """Return the addresses, one or a tree of them, at another host; their paths stay."""
    if isinstance(urls, dict):
        return {name: turned(url, base_url) for name, url in urls.items()}
    if not isinstance(urls, str):
        return urls
    base, own = urlsplit(base_url), urlsplit(urls)
    return urlunsplit((base.scheme, base.netloc, base.path.rstrip("/") + own.path, own.query, ""))


def _series(rows: Sequence[Sequence[Any]], length: int) -> BarSeries:
    """Return ccxt's rows (milliseconds, open, high, low, close, volume) as columns."""
    opened_at = np.array([int(row[0]) * MICROS_PER_MILLI for row in rows], dtype=np.int64)

    def column(place: int) -> FloatArray:
        return np.array([float(row[place]) for row in rows], dtype=np.float64)

    volume = np.array([np.nan if row[5] is None else float(row[5]) for row in rows])
    open_, high, low, close = (column(place) for place in range(1, 5))
    closed_at = opened_at + length
    return BarSeries(opened_at, closed_at, open_, high, low, close, volume.astype(np.float64))


def _instant(millis: Any) -> datetime:
    return datetime.fromtimestamp(int(millis) / 1000, UTC)


def _optional(value: Any) -> float | None:
    return None if value is None else float(value)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Return what Retry-After asks for in seconds; a date or nothing is None."""
    try:
        seconds = float(headers.get("Retry-After", ""))
    except ValueError:
        return None
    return seconds if seconds >= 0 else None
