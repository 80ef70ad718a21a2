"""A provider that stays connected and says nothing is noticed, said, left and taken again."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import connection

from domain.bars import to_micros
from marketdata.models import Provider, Stream
from marketdata.queries import feed_trouble
from tests.marketdata.feeds.tick_server import TickServer, running_tick_server
from tests.tradingsite.pipelines.fast_desk import make_stream
from tradingsite.models import Alert
from tradingsite.pipelines.ingestion import run_feed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

MUTE_AFTER = 10.0
NOTICED_WITHIN = 15.0


@pytest.fixture
def server() -> Iterator[TickServer]:
    """Return a running tick server."""
    with running_tick_server() as running:
        yield running


def wait_until(happened: Callable[[], bool], seconds: float) -> float:
    """Return after how many seconds it happened; fail when it does not in time."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < seconds, "did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - began


def the_stream() -> Stream:
    return Stream.objects.get()


def speak(server: TickServer, stop: Event) -> None:
    """Send a tick of each symbol four times a second; a mute server swallows them."""
    while not stop.wait(0.25):
        for symbol in ("alpha", "beta", "gamma"):
            server.tick(symbol, 100.0, datetime.now(UTC))


def test_mute_socket_when_silent_is_noticed_in_15_seconds_and_taken_again(
    server: TickServer, tmp_path: Path
) -> None:
    now = datetime.now(UTC) - timedelta(seconds=1)
    make_stream(server, tmp_path, to_micros(now), mute_after_seconds=MUTE_AFTER)
    stop = Event()
    threads = [
        Thread(target=run_feed, args=("lab", stop.is_set)),
        Thread(target=speak, args=(server, stop)),
    ]
    try:
        for thread in threads:
            thread.start()
        wait_until(lambda: the_stream().data_at is not None, 30)
        assert Provider.objects.get(name="bridge").state == "connected"
        assert not the_stream().is_mute
        assert feed_trouble(the_stream().pk) == ""
        connections = len(server.subscriptions)
        server.go_mute()
        noticed = wait_until(lambda: the_stream().is_mute, NOTICED_WITHIN)
        assert noticed > MUTE_AFTER - 1  # not before it is mute
        assert feed_trouble(the_stream().pk) == "feed mute"
        alert = Alert.objects.get(kind="feed_mute", object="lab")
        assert "No data for 10 s while the market is open" in alert.message
        wait_until(lambda: Provider.objects.get(name="bridge").state == "mute", 3)
        wait_until(lambda: len(server.subscriptions) > connections, 15)
        time.sleep(1.5)
        assert the_stream().is_mute  # a new connection alone is no data
        assert Provider.objects.get(name="bridge").state == "mute"
        server.speak()
        wait_until(lambda: not the_stream().is_mute, 10)
        wait_until(lambda: Alert.objects.get(pk=alert.pk).cleared_at is not None, 3)
        assert Provider.objects.get(name="bridge").state == "connected"
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
        connection.close()


def test_closed_market_when_silent_is_not_mute(server: TickServer, tmp_path: Path) -> None:
    make_stream(server, tmp_path, to_micros(datetime.now(UTC)), calendar="", mute_after_seconds=0.5)
    stop = Event()
    thread = Thread(target=run_feed, args=("lab", stop.is_set))
    try:
        thread.start()
        server.wait_for_subscriptions(1)
        time.sleep(3)
        assert not the_stream().is_mute
        assert Provider.objects.get(name="bridge").state == "connected"
        assert len(server.subscriptions) == 1
        assert not Alert.objects.exists()
    finally:
        stop.set()
        thread.join(10)
        connection.close()
