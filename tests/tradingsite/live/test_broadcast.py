"""Hints leave after commit, newest last, and never disturb the walk."""

import time
from datetime import UTC, datetime

import pytest
from django.db import transaction

from domain import bus
from domain.events import BookMoved, BotStateChanged, InstantSealed, OrderPlaced, QuotesMoved
from tradingsite.live import broadcast
from tradingsite.live.broadcast import Broadcaster, hints_of

T = datetime(2005, 6, 1, tzinfo=UTC)


class Heard:
    """A channel layer that writes down what it is given."""

    def __init__(self) -> None:
        self.sent: list[tuple[float, str, str]] = []

    async def group_send(self, group: str, message: dict[str, object]) -> None:
        self.sent.append((time.monotonic(), group, str(message["version"])))


@pytest.fixture
def heard(monkeypatch) -> Heard:
    layer = Heard()
    monkeypatch.setattr(broadcast, "get_channel_layer", lambda: layer)
    return layer


@pytest.fixture
def fresh(monkeypatch) -> Broadcaster:
    found = Broadcaster()
    monkeypatch.setattr(broadcast, "_broadcaster", found)
    return found


def test_hints_of_when_the_book_moves_names_its_topics_and_the_desk():
    moved = BookMoved(shard=7, version=12, topics=("orders", "nonsense"))
    assert hints_of(moved) == [("desk", 7, "12"), ("orders", 7, "12")]


def test_hints_of_when_an_instant_is_sealed_concerns_every_account():
    sealed = InstantSealed(shard=0, stream="demo", closed_at=T, bars=5)
    assert hints_of(sealed) == [("bars", 0, "2005-06-01T00:00:00+00:00")]


def test_hints_of_when_quotes_move_concern_every_account():
    moved = QuotesMoved(shard=0, stream="lab", at=T)
    assert hints_of(moved) == [("quotes", 0, "2005-06-01T00:00:00+00:00")]


def test_hints_of_when_a_bot_stops_names_bots():
    event = BotStateChanged(shard=0, actor="a", action="bot_stopped", subject="b", detail={})
    assert hints_of(event) == [("bots", 0, "b")]


def test_hints_of_when_the_event_moves_no_page_is_empty():
    event = OrderPlaced(shard=1, actor="a", action="place", subject="b", detail={})
    assert hints_of(event) == []


def test_mark_when_many_come_at_once_sends_few_and_the_newest_last(heard, fresh):
    for version in range(1000):
        fresh.mark([("desk", 1, str(version))])
    assert fresh.flush(3)
    assert 1 <= len(heard.sent) <= 3
    assert heard.sent[-1][2] == "999"


def test_mark_when_they_keep_coming_sends_at_most_four_a_second(heard, fresh):
    began = time.monotonic()
    version = 0
    while time.monotonic() < began + 1.1:
        version += 1
        fresh.mark([("desk", 1, str(version))])
        time.sleep(0.005)
    assert fresh.flush(3)
    assert len(heard.sent) <= 6
    assert heard.sent[-1][2] == str(version)


def test_mark_when_called_costs_little(heard, fresh):
    fresh.mark([("desk", 1, "0")])
    began = time.perf_counter()
    for version in range(1000):
        fresh.mark([("desk", 1, str(version)), ("orders", 1, str(version))])
    assert time.perf_counter() - began < 0.5  # a thousand of them: half a millisecond each at most
    assert fresh.flush(3)


def test_send_when_redis_is_away_counts_and_goes_on(fresh, monkeypatch):
    def away() -> None:
        raise ConnectionError("no redis")

    monkeypatch.setattr(broadcast, "get_channel_layer", away)
    fresh.mark([("desk", 1, "1"), ("orders", 1, "1")])
    assert fresh.flush(3)
    assert (fresh.sent, fresh.failed) == (0, 2)
    layer = Heard()
    monkeypatch.setattr(broadcast, "get_channel_layer", lambda: layer)
    fresh.mark([("desk", 1, "2")])
    assert fresh.flush(3)
    assert (fresh.sent, fresh.failed) == (1, 2)


@pytest.mark.django_db(transaction=True)
def test_publish_when_the_transaction_rolls_back_sends_nothing(heard, fresh):
    broadcast.register()
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012 - rolls back
        bus.publish(BookMoved(shard=1, version=1, topics=()))
        raise ZeroDivisionError
    with transaction.atomic():
        bus.publish(BookMoved(shard=1, version=2, topics=()))
        assert heard.sent == []
    assert fresh.flush(3)
    assert [version for _, _, version in heard.sent] == ["2"]


@pytest.mark.django_db(transaction=True)
def test_publish_when_switched_off_sends_nothing(heard, fresh, settings):
    settings.LIVE_BROADCAST = False
    with transaction.atomic():
        bus.publish(BookMoved(shard=1, version=1, topics=()))
    assert fresh.flush(1)
    assert heard.sent == []
