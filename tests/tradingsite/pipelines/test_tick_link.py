"""The link to a provider: mute until a tick comes, whatever connects, and never away for long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from redis import Redis

from marketdata.feeds.websocket import WebsocketFeed, WebsocketOptions
from marketdata.services.tick_stream import PREFIX, TickStream
from tests.marketdata.feeds.tick_server import TickServer, running_tick_server
from tradingsite import env
from tradingsite.pipelines.tick_link import LONGEST_RETRY_SECONDS, LinkPlan, TickLink, jittered

STREAM = 987_001
MUTE = ("mute", "connected, and no tick for 0.3 s while the market is open")
CONNECTED = ("connected", "")


@dataclass
class Market:
    """A market that can be closed, and a server that may say nothing."""

    server: TickServer
    redis: Redis
    is_open: bool = True
    seen: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def link(
        self, mute_after_seconds: float = 0.3, *, was_mute: bool = False
    ) -> Iterator[TickLink]:
        """Give a started link; it is closed at the end."""
        plan = LinkPlan(
            provider="bridge",
            feed=lambda: WebsocketFeed(WebsocketOptions(self.server.url)),
            symbols=("alpha",),
            ids=(1,),
            mute_after_seconds=mute_after_seconds,
            is_open=lambda: self.is_open,
            was_mute=was_mute,
        )
        link = TickLink(plan, TickStream(self.redis, STREAM))
        link.start()
        try:
            yield link
        finally:
            link.close()

    def watch(self, link: TickLink, happened: Callable[[], bool]) -> None:
        """Note every state on the way, perhaps none, until it has happened; fail after a while."""
        ends = time.monotonic() + 10
        while not happened():
            assert time.monotonic() < ends, f"did not happen in time: {link.status}"
            self.seen.append(said(link))
            time.sleep(0.01)


def said(link: TickLink) -> tuple[str, str]:
    status = link.status
    return status.state, status.reason


@pytest.fixture
def market() -> Iterator[Market]:
    """Return an open market with a running server."""
    with running_tick_server() as server, Redis.from_url(env.redis_url()) as redis:
        yield Market(server, redis)
        for key in redis.scan_iter(match=f"{PREFIX}{STREAM}*"):
            redis.delete(key)


def test_link_when_mute_stays_mute_over_reconnects_until_the_first_tick(market: Market) -> None:
    with market.link() as link:
        market.watch(link, lambda: said(link) == MUTE)
        market.seen.clear()
        connections = len(market.server.subscriptions)
        market.watch(link, lambda: len(market.server.subscriptions) >= connections + 2)
        assert set(market.seen) <= {MUTE}
        market.seen.clear()
        market.watch(link, lambda: _tick_is_heard(market, link))
        assert set(market.seen) <= {MUTE}
        assert not link.is_mute()


def _tick_is_heard(market: Market, link: TickLink) -> bool:
    market.server.tick("alpha", 100.0, datetime.now(UTC))
    return said(link) == CONNECTED


def test_link_when_restarted_mute_is_not_connected_before_a_tick(market: Market) -> None:
    with market.link(60, was_mute=True) as link:
        market.watch(link, lambda: said(link)[0] == "mute")
        assert set(market.seen) <= {("down", "connecting")}
        market.watch(link, lambda: _tick_is_heard(market, link))


def test_link_when_the_market_closes_is_mute_no_more(market: Market) -> None:
    with market.link() as link:
        market.watch(link, lambda: said(link) == MUTE)
        market.is_open = False
        market.watch(link, lambda: said(link) == CONNECTED)
        assert not link.is_mute()


def test_link_when_the_provider_is_away_is_down_then_mute_until_it_speaks(market: Market) -> None:
    with market.link() as link:
        market.watch(link, lambda: said(link) == MUTE)
        market.server.refuses = True
        market.server.drop()
        market.watch(link, lambda: said(link)[0] == "down")
        assert "the connection ended" in link.status.reason
        market.server.refuses = False
        market.seen.clear()
        market.watch(link, lambda: said(link) == MUTE)
        assert {state for state, _ in market.seen} <= {"down"}


def test_pause_when_longest_is_ten_seconds_at_most() -> None:
    pauses = [jittered(LONGEST_RETRY_SECONDS) for _ in range(1000)]
    assert 5 <= min(pauses) < max(pauses) <= 10
