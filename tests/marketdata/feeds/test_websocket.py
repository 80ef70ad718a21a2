"""Ticks over a websocket: read whole, garbage counted, silence and the end told apart."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from domain.bars import to_micros
from domain.ticks import TICK, Tick, tick_array
from marketdata.feeds.base import BadFeedOptionsError, Feed, FeedError, FeedUnavailableError
from marketdata.feeds.registry import make_feed
from tests.marketdata.feeds.tick_server import TickServer, running_tick_server, tick_message

T0 = datetime(2024, 1, 2, 9, 30, tzinfo=UTC)
SYMBOLS = ["AAA", "BBB"]


@pytest.fixture
def server() -> Iterator[TickServer]:
    with running_tick_server() as found:
        yield found


@pytest.fixture
def feed(server: TickServer) -> Feed:
    return make_feed("websocket", {"url": server.url})


def never() -> bool:
    return False


def subscribed(feed: Feed, server: TickServer) -> Iterator[Any]:
    """Return a running subscription."""
    subscription = feed.subscribe_ticks(symbols=SYMBOLS, should_stop=never)
    assert next(subscription) is None
    server.wait_for_subscriptions(1)
    return subscription


def heard(subscription: Iterator[Any], ticks: int) -> Any:
    """Return the next so many ticks in one array."""
    found: list[Any] = []
    while sum(map(len, found)) < ticks:
        arrived = next(subscription)
        if arrived is not None:
            assert arrived.dtype == TICK
            found.append(arrived)
    return np.concatenate(found)


def same(found: Any, ticks: Sequence[Tick]) -> bool:
    return repr(found.tolist()) == repr(tick_array(ticks).tolist())  # NaN is not itself


def test_subscribe_ticks_when_ticks_come_yields_them_in_order(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    assert server.subscriptions == [SYMBOLS]
    server.tick("BBB", 10.5, T0, size=3.0, side="buy")
    server.tick("AAA", 20, T0 + timedelta(microseconds=7), size=None, side="sell")
    sold = Tick(0, T0 + timedelta(microseconds=7), 20.0, None, -1)
    assert same(heard(subscription, 2), [Tick(1, T0, 10.5, 3.0, 1), sold])


def test_subscribe_ticks_when_sent_in_batches_yields_every_one(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    minutes = [T0 + timedelta(minutes=n) for n in range(1000)]
    server.ticks([tick_message("AAA", 1.0 + n, at) for n, at in enumerate(minutes)])
    found = heard(subscription, 1000)
    assert same(found, [Tick(0, at, 1.0 + n, 1.0) for n, at in enumerate(minutes)])


def test_subscribe_ticks_when_milliseconds_are_sent_reads_the_same_instant(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    millis = to_micros(T0) // 1000
    server.send(json.dumps({"type": "tick", "symbol": "AAA", "ts": millis, "price": 1.5}))
    server.send(json.dumps({"type": "tick", "symbol": "AAA", "ts": millis + 0.25, "price": 1.5}))
    found = heard(subscription, 2)
    assert found["ts"].tolist() == [to_micros(T0), to_micros(T0) + 250]


GARBAGE = [
    "",
    "<html>502 Bad Gateway</html>",
    '{"type": "tick", "symbol": "AAA", "ts"',
    "[1, 2]",
    "5",
    '{"type": "weather"}',
    '{"type": "ticks", "ticks": "many"}',
    "[" * 100_000,
    b"\x00\xff\xfe",
]
BAD_TICKS = [
    {"symbol": "ZZZ", "ts": 1, "price": 1.0},
    {"symbol": "AAA", "price": 1.0},
    {"symbol": "AAA", "ts": 1},
    {"symbol": "AAA", "ts": 1, "price": "1.0"},
    {"symbol": "AAA", "ts": 1, "price": True},
    {"symbol": "AAA", "ts": 1, "price": float("nan")},
    {"symbol": "AAA", "ts": 1, "price": 10**400},
    {"symbol": "AAA", "ts": -1, "price": 1.0},
    {"symbol": "AAA", "ts": 1e300, "price": 1.0},
    {"symbol": "AAA", "ts": "2024-01-02T09:30:00", "price": 1.0},
    {"symbol": "AAA", "ts": "yesterday", "price": 1.0},
    {"symbol": "AAA", "ts": 1, "price": 1.0, "size": "much"},
    {"symbol": "AAA", "ts": 1, "price": 1.0, "side": "both"},
    {"symbol": ["AAA"], "ts": 1, "price": 1.0},
    {"symbol": "AAA", "ts": 1, "price": 1.0, "side": []},
    None,
    7,
]


def test_subscribe_ticks_when_messages_are_garbage_counts_them_and_goes_on(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    for text in GARBAGE:
        server.send(text)
    server.send(json.dumps({"type": "ticks", "ticks": BAD_TICKS}))
    server.tick("AAA", 1.0, T0)
    assert same(heard(subscription, 1), [Tick(0, T0, 1.0, 1.0)])
    assert feed.bad_messages == len(GARBAGE) + len(BAD_TICKS)


def test_subscribe_ticks_when_pinged_answers_and_counts_nothing(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    server.send('{"type": "ping"}')
    server.send('{"type": "subscribed", "symbols": ["AAA"]}')
    server.tick("AAA", 1.0, T0)
    heard(subscription, 1)
    server.wait_for(lambda one: one.received == [{"type": "pong"}])
    assert feed.bad_messages == 0


def test_subscribe_ticks_when_mute_says_that_it_lives_and_hears_the_end_of_it(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    server.go_mute()
    server.tick("AAA", 1.0, T0)
    assert [next(subscription) for _ in range(3)] == [None, None, None]
    server.speak()
    server.tick("AAA", 2.0, T0)
    assert same(heard(subscription, 1), [Tick(0, T0, 2.0, 1.0)])


def test_subscribe_ticks_when_dropped_hands_on_what_came_and_then_raises(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    server.tick("AAA", 1.0, T0)
    server.drop()
    assert same(heard(subscription, 1), [Tick(0, T0, 1.0, 1.0)])
    with pytest.raises(FeedUnavailableError, match="the connection ended"):
        next(subscription)


def test_subscribe_ticks_when_called_again_after_a_drop_works(
    feed: Feed, server: TickServer
) -> None:
    first = subscribed(feed, server)
    server.drop()
    with pytest.raises(FeedUnavailableError):
        list(first)
    second = feed.subscribe_ticks(symbols=SYMBOLS, should_stop=never)
    assert next(second) is None
    server.wait_for_subscriptions(2)
    server.tick("AAA", 1.0, T0)
    assert len(heard(second, 1)) == 1


def test_subscribe_ticks_when_told_to_stop_ends(feed: Feed) -> None:
    asked: list[bool] = []

    def stop_at_the_second_time() -> bool:
        asked.append(True)
        return len(asked) > 1

    subscription = feed.subscribe_ticks(symbols=SYMBOLS, should_stop=stop_at_the_second_time)
    assert list(subscription) == [None, None]


def test_subscribe_ticks_when_the_bridge_refuses_says_its_reason(
    feed: Feed, server: TickServer
) -> None:
    subscription = subscribed(feed, server)
    server.send('{"type": "error", "message": "no such symbol BBB"}')
    with pytest.raises(FeedError, match="refuses: no such symbol BBB"):
        list(subscription)


@pytest.mark.parametrize("breaks", ["stopped", "refusing"])
def test_subscribe_ticks_when_nobody_answers_is_unavailable(
    breaks: str, feed: Feed, server: TickServer
) -> None:
    end: Callable[[], Any] = {"stopped": server.stop, "refusing": lambda: None}[breaks]
    server.refuses = True
    end()
    with pytest.raises(FeedUnavailableError, match="websocket ws://127"):
        list(feed.subscribe_ticks(symbols=SYMBOLS, should_stop=never))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "option 'url' is missing"),
        ({"url": "http://h/"}, "option 'url' must begin with ws://HOST or wss://HOST"),
        ({"url": "ws://h/", "timeout_seconds": 0}, "option 'timeout_seconds' is 0"),
    ],
)
def test_make_feed_when_options_are_bad_refuses(options: dict[str, Any], line: str) -> None:
    with pytest.raises(BadFeedOptionsError, match=line):
        make_feed("websocket", options)
