"""The port: options are typed, long spans are cut, and what a feed cannot do refuses."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.bars import Timeframe
from marketdata.feeds.base import (
    BadFeedOptionsError,
    Feed,
    FeedCapabilities,
    FeedOptions,
    UnsupportedByFeedError,
    check_seconds,
    check_url,
    history_spans,
)

T0 = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class SomeOptions(FeedOptions):
    """One option of every kind."""

    exchange: str
    timeout_seconds: float = 10.0
    limit: int = 5
    is_test: bool = False


def test_options_when_some_are_given_fill_in_the_rest() -> None:
    found = SomeOptions.parse({"exchange": "binance", "timeout_seconds": 3})
    assert found == SomeOptions("binance", 3, 5, is_test=False)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({}, "option 'exchange' is missing"),
        ({"exchange": 5}, "option 'exchange' must be of kind str, not 5"),
        ({"exchange": "x", "limit": True}, "option 'limit' must be of kind int, not True"),
        ({"exchange": "x", "limit": 1.5}, "option 'limit' must be of kind int, not 1.5"),
        ({"exchange": "x", "is_test": 1}, "option 'is_test' must be of kind bool, not 1"),
        (
            {"exchange": "x", "api_key": "k"},
            "unknown option 'api_key'; known: exchange, is_test, limit, timeout_seconds",
        ),
    ],
)
def test_options_when_they_do_not_fit_refuse_in_one_line(values: dict[str, Any], line: str) -> None:
    with pytest.raises(BadFeedOptionsError) as refused:
        SomeOptions.parse(values)
    assert str(refused.value) == line


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://host", "http://", "http://host:port", "http://me:pw@host/"]
)
def test_check_url_when_no_plain_address_refuses(url: str) -> None:
    with pytest.raises(BadFeedOptionsError, match="option 'base_url'"):
        check_url("base_url", url, ("http", "https"))


def test_check_url_when_an_address_passes() -> None:
    check_url("base_url", "http://127.0.0.1:8080/api", ("http", "https"))


@pytest.mark.parametrize("seconds", [0.0, -1.0, 301.0, float("nan")])
def test_check_seconds_when_no_timeout_refuses(seconds: float) -> None:
    with pytest.raises(BadFeedOptionsError, match="option 'timeout_seconds'"):
        check_seconds("timeout_seconds", seconds)


@pytest.mark.parametrize(
    ("longest", "days"),
    [({}, [(0, 10)]), ({Timeframe.M1: 4 * DAY}, [(0, 4), (4, 8), (8, 10)])],
)
def test_history_spans_when_limited_cover_the_whole_without_overlap(
    longest: dict[Timeframe, timedelta], days: list[tuple[int, int]]
) -> None:
    spans = history_spans(
        FeedCapabilities(longest_span=longest),
        timeframe=Timeframe.M1,
        since=T0,
        until=T0 + 10 * DAY,
    )
    assert list(spans) == [(T0 + first * DAY, T0 + last * DAY) for first, last in days]


def test_history_spans_when_nothing_is_asked_are_none() -> None:
    nothing = history_spans(FeedCapabilities(), timeframe=Timeframe.M1, since=T0, until=T0)
    assert list(nothing) == []


@pytest.mark.parametrize(
    "call",
    [
        lambda feed: feed.instruments(),
        lambda feed: feed.history(symbol="S", timeframe=Timeframe.M1, since=T0, until=T0 + DAY),
        lambda feed: feed.quote(["S"]),
        lambda feed: feed.subscribe(after=T0, should_stop=lambda: False),
        lambda feed: feed.subscribe_ticks(symbols=["S"], should_stop=lambda: False),
    ],
)
def test_feed_when_it_writes_nothing_itself_refuses(call: Callable[[Feed], Any]) -> None:
    with pytest.raises(UnsupportedByFeedError, match=r"^this feed "):
        call(Feed())
