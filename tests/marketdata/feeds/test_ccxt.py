"""An exchange through the real ccxt client: whole history, and one clear line for every failure."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from domain.bars import Timeframe, to_micros
from marketdata.feeds.base import (
    BadFeedOptionsError,
    FeedError,
    FeedInstrument,
    FeedQuote,
    FeedUnavailableError,
    RateLimitedError,
    UnknownSymbolError,
    UnsupportedByFeedError,
)
from marketdata.feeds.ccxt import CcxtFeed, CcxtOptions, turned
from marketdata.feeds.registry import make_feed
from tests.marketdata.feeds import exchange_server as fake
from tests.marketdata.feeds.exchange_server import ExchangeServer, Fault, running_exchange

pytest.importorskip("ccxt", reason="the extra requirements-crypto.txt is not installed")

T0 = datetime(2024, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
# The exchange has the minutes 0 to 2999; the last one is still open.
NOW = T0 + 2999.5 * MINUTE


def millis(instant: datetime) -> int:
    return to_micros(instant) // 1000


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    with running_exchange(millis(T0), millis(T0 + 2999 * MINUTE)) as found:
        yield found


def feed_of(server: ExchangeServer, **options: Any) -> CcxtFeed:
    given = {"exchange": "binance", "base_url": server.url, "timeout_seconds": 5.0} | options
    return CcxtFeed(CcxtOptions.parse(given), now=lambda: NOW)


def minutes_of(
    feed: CcxtFeed, first: int = 0, last: int = 5000, symbol: str = "BTCUSDT"
) -> list[int]:
    bars = feed.history(
        symbol=symbol, timeframe=Timeframe.M1, since=T0 + first * MINUTE, until=T0 + last * MINUTE
    )
    return ((bars.opened_at - to_micros(T0)) // 60_000_000).tolist()


def test_history_when_asked_for_a_span_returns_its_bars(server: ExchangeServer) -> None:
    feed = feed_of(server)
    since = T0 + 10 * MINUTE
    bars = feed.history(
        symbol="BTC/USDT", timeframe=Timeframe.M1, since=since, until=since + 3 * MINUTE
    )
    close = [fake.price(millis(since + n * MINUTE) // 60_000) for n in range(3)]
    assert [from_t0(at) for at in bars.opened_at] == [10, 11, 12]
    assert [from_t0(at) for at in bars.closed_at] == [11, 12, 13]
    assert bars.close.tolist() == close
    assert bars.high.tolist() == [one + 1 for one in close]
    assert bars.volume.tolist() == [5.0] * 3
    assert bars.close.dtype == np.float64
    assert server.calls_of("/klines") == 1


def from_t0(micros: Any) -> float:
    return float(micros - to_micros(T0)) / 60_000_000


def test_history_when_the_exchange_gives_small_pages_reads_them_all(
    server: ExchangeServer,
) -> None:
    server.page = 7
    assert minutes_of(feed_of(server), 0, 20) == list(range(20))
    assert server.calls_of("/klines") == 3


def test_history_when_the_last_bar_is_open_leaves_it_out(server: ExchangeServer) -> None:
    assert minutes_of(feed_of(server), 2990) == list(range(2990, 2999))


def test_history_when_the_last_bar_has_just_closed_waits_until_it_settles(
    server: ExchangeServer,
) -> None:
    feed = feed_of(server, settle_seconds=31.0)
    assert minutes_of(feed, 2990) == list(range(2990, 2998))


def test_history_when_nothing_traded_yet_is_empty(server: ExchangeServer) -> None:
    assert minutes_of(feed_of(server), -100, 0) == []


def test_capabilities_when_asked_say_what_one_call_brings(server: ExchangeServer) -> None:
    found = feed_of(server).capabilities
    assert (found.has_history, found.has_quote, found.has_ticks) == (True, True, False)
    assert found.timeframes == tuple(Timeframe)
    assert found.longest_span[Timeframe.M1] == timedelta(minutes=1000)
    smaller = feed_of(server, page_bars=10).capabilities
    assert smaller.longest_span[Timeframe.H1] == timedelta(hours=10)


def test_instruments_when_asked_are_the_markets(server: ExchangeServer) -> None:
    server.symbols = [("BTC", "USDT")]
    assert list(feed_of(server).instruments()) == [
        FeedInstrument(
            venue="BINANCE",
            symbol="BTCUSDT",
            kind="crypto",
            currency="USDT",
            tick_size=Decimal("0.01"),
            lot_size=Decimal("0.00001"),
            provider_symbol="BTC/USDT",
            calendar="24/7",
        )
    ]
    assert {call.split("?")[0] for call in server.calls} == {"/api/v3/exchangeInfo"}


def test_quote_when_asked_returns_each_symbol(server: ExchangeServer) -> None:
    found = feed_of(server).quote(["BTCUSDT", "ETH/USDT"])
    at = datetime.fromtimestamp(server.last_ms / 1000, UTC)
    quote = FeedQuote(at, last=101.5, bid=101.4, bid_size=2.0, ask=101.6, ask_size=3.0)
    assert found == {"BTCUSDT": quote, "ETH/USDT": quote}
    assert server.calls_of("/24hr") == 1


@pytest.mark.parametrize(
    ("fault", "error", "line"),
    [
        (fake.LIMITED, RateLimitedError, "429"),
        (fake.LIMITED_FOR_7_SECONDS, RateLimitedError, "429"),
        (fake.BANNED_UNTIL_A_DATE, RateLimitedError, "418"),
        (fake.BROKEN, FeedUnavailableError, "unknown"),
        (fake.ERROR_PAGE, FeedUnavailableError, "502 Bad Gateway"),
        (fake.PAGE_WITH_STATUS_200, FeedUnavailableError, "We are down for maintenance"),
        (fake.HALF_A_JSON, FeedUnavailableError, "the answer cannot be read"),
        (fake.NOTHING, FeedUnavailableError, "the answer cannot be read: nothing"),
        (fake.OTHER_SHAPE, FeedUnavailableError, "the answer cannot be read"),
        (fake.NO_NUMBERS, FeedUnavailableError, "the answer has another shape"),
        (fake.SILENCE, FeedUnavailableError, "RequestTimeout"),
    ],
)
def test_history_when_the_answer_is_none_raises_one_line_and_works_afterwards(
    fault: Fault, error: type[FeedError], line: str, server: ExchangeServer
) -> None:
    feed = feed_of(server, timeout_seconds=0.5)
    server.faults = [fault]
    with pytest.raises(error) as refused:
        minutes_of(feed, 0, 5)
    assert line in str(refused.value)
    assert str(refused.value).startswith("ccxt binance: ")
    assert "\n" not in str(refused.value)
    assert minutes_of(feed, 0, 5) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (fake.LIMITED, None),
        (fake.LIMITED_FOR_7_SECONDS, 7.0),
        (fake.BANNED_UNTIL_A_DATE, None),
        (Fault(429, "{}", retry_after="-3"), None),
    ],
)
def test_history_when_limited_says_how_long_to_wait(
    fault: Fault, seconds: float | None, server: ExchangeServer
) -> None:
    server.faults = [fault]
    with pytest.raises(RateLimitedError) as limited:
        minutes_of(feed_of(server), 0, 5)
    assert limited.value.retry_after_seconds == seconds


def test_history_when_nobody_listens_is_unavailable(server: ExchangeServer) -> None:
    feed = feed_of(server)
    server.stop()
    with pytest.raises(FeedUnavailableError, match="NetworkError"):
        minutes_of(feed)


def test_history_when_the_symbol_is_unknown_refuses(server: ExchangeServer) -> None:
    with pytest.raises(UnknownSymbolError, match="ccxt binance does not have 'DOGE/INR'"):
        minutes_of(feed_of(server), symbol="DOGE/INR")


def test_history_when_the_exchange_lacks_the_timeframe_refuses(server: ExchangeServer) -> None:
    feed = feed_of(server, exchange="kraken")
    assert Timeframe.M3 not in feed.capabilities.timeframes
    with pytest.raises(UnsupportedByFeedError, match="ccxt kraken has no bars of 3m"):
        feed.history(symbol="X", timeframe=Timeframe.M3, since=T0, until=T0 + MINUTE)
    assert server.calls == []


class Counted:
    """A budget that counts."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, cost: int = 1) -> None:
        self.taken += cost

    def hold(self, seconds: float) -> None:
        raise AssertionError("holding is the caller's")


def test_feed_when_it_calls_takes_each_call_from_the_budget(server: ExchangeServer) -> None:
    server.page, budget = 10, Counted()
    options = CcxtOptions.parse({"exchange": "binance", "base_url": server.url})
    feed = CcxtFeed(options, budget, now=lambda: NOW)
    minutes_of(feed, 0, 40)
    feed.quote(["BTCUSDT"])
    assert budget.taken == len(server.calls) == 6  # the markets, four pages, the tickers


@pytest.mark.parametrize("exchange", ["binance", "kraken", "coinbase", "bybit", "okx"])
def test_turned_when_an_exchange_has_many_addresses_turns_every_one(exchange: str) -> None:
    feed = make_feed("ccxt", {"exchange": exchange, "base_url": "http://127.0.0.1:9/prefix/"})
    assert isinstance(feed, CcxtFeed)

    def leaves(urls: Any) -> Iterator[str]:
        for url in urls.values() if isinstance(urls, dict) else [urls]:
            yield from leaves(url) if isinstance(url, dict) else [url]

    found = list(leaves(feed._exchange.urls["api"]))
    assert found
    assert all(url.startswith("http://127.0.0.1:9/prefix") for url in found)


def test_turned_when_a_path_stands_behind_keeps_it() -> None:
    urls = {"public": "https://api.x.com/api/v3", "deep": {"one": "https://y.x.com/v1"}, "n": None}
    assert turned(urls, "http://h:1") == {
        "public": "http://h:1/api/v3", "deep": {"one": "http://h:1/v1"}, "n": None,
    }  # fmt: skip


def test_make_feed_when_ccxt_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(FeedError, match=r"pip install -r requirements-crypto\.txt"):
        make_feed("ccxt", {"exchange": "binance"})


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "option 'exchange' is missing"),
        ({"exchange": "nowhere"}, "option 'exchange': ccxt knows no 'nowhere'"),
        ({"exchange": "../x"}, "option 'exchange' is no id of ccxt"),
        ({"exchange": "binance", "base_url": "localhost"}, "option 'base_url' must begin with"),
        ({"exchange": "binance", "settle_seconds": -1.0}, "option 'settle_seconds' is -1"),
        ({"exchange": "binance", "page_bars": -1}, "option 'page_bars' is -1"),
        ({"exchange": "binance", "secret": "x"}, "unknown option 'secret'"),
    ],
)
def test_make_feed_when_options_are_bad_refuses(options: dict[str, Any], line: str) -> None:
    with pytest.raises(BadFeedOptionsError, match=line):
        make_feed("ccxt", options)
