"""What the engine relies on, asked of every registered broker that runs without a network."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from domain.orders import OrderRequest
from execution.brokers.base import Broker
from execution.brokers.registry import load_brokers
from execution.services.connect_broker import broker_of
from marketdata.models import Bar, Instrument
from tests.execution.small_desk import DAY, SmallDesk, day, make_small_desk

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


@pytest.fixture
def small(transactional_db: None) -> SmallDesk:
    desk = make_small_desk({"ACME": [100.0, 101.0, 102.0, 103.0], "BOLT": [50.0] * 4})
    desk.seal(4)
    return desk


@pytest.fixture(params=list(load_brokers()))
def broker(request: pytest.FixtureRequest, small: SmallDesk) -> Broker:
    small.account.venue = request.param
    small.account.save()
    found = broker_of(small.account)
    assert found.capabilities.is_in_process, "a network venue brings recorded replies of its own"
    return found


def wish(name: str, number: int = 1, symbol: str = "ACME", side: int = 1) -> OrderRequest:
    return OrderRequest(
        client_order_id=name,
        instrument_id=Instrument.objects.get(symbol=symbol).pk,
        side=side,
        quantity=Decimal(10),
        decided_at=day(number),
        reduce_only=False,
    )


def states(broker: Broker, *names: str) -> list[str]:
    return [reply.state for reply in broker.query(names)]


def read(broker: Broker, cursor: int, through: datetime) -> list[tuple[int, str, datetime]]:
    found = broker.executions(cursor=cursor, through=through)
    return [(one.cursor, one.client_order_id, one.executed_at) for one in found]


def test_submit_when_repeated_is_one_order_with_one_execution(broker):
    for _ in range(3):
        replies = broker.submit([wish("P1"), wish("P1"), wish("P2")])
    assert [(one.client_order_id, one.state) for one in replies] == [
        ("P1", "open"), ("P1", "open"), ("P2", "open"),
    ]  # fmt: skip
    assert [name for _, name, _ in read(broker, 0, day(2))] == ["P1", "P2"]
    assert broker.submit([wish("P1")])[0].state == "filled"
    assert len(read(broker, 0, day(4))) == 2


def test_submit_when_repeated_with_other_numbers_keeps_the_first(broker):
    broker.submit([wish("P1")])
    broker.submit([replace(wish("P1"), quantity=Decimal(999), side=-1)])
    (one,) = broker.executions(cursor=0, through=day(2))
    assert (one.quantity, one.price) == (10, Decimal("101.03"))


def test_query_when_unknown_says_not_found(broker):
    assert states(broker, "P9") == ["not_found"]
    assert broker.query([]) == []


def test_cancel_when_open_filled_or_unknown_answers_the_truth(broker):
    broker.submit([wish("P1"), wish("P2", number=3)])
    read(broker, 0, day(2))
    assert [one.state for one in broker.cancel(["P1", "P2", "P9"])] == [
        "filled", "canceled", "not_found",
    ]  # fmt: skip
    assert [one.state for one in broker.cancel(["P2"])] == ["canceled"]
    assert [name for _, name, _ in read(broker, 0, day(4))] == ["P1"]
    assert broker.submit([wish("P2", number=3)])[0].state == "canceled"


def test_executions_when_read_on_rise_and_repeat_nothing(broker):
    broker.submit([wish("P1"), wish("P2", symbol="BOLT")])
    first = read(broker, 0, day(2))
    broker.submit([wish("P3", number=2, side=-1)])
    second = read(broker, first[-1][0], day(3))
    assert [name for _, name, _ in second] == ["P3"]
    assert read(broker, second[-1][0], day(4)) == []
    every = read(broker, 0, day(4))
    assert every == [*first, *second]
    assert [cursor for cursor, _, _ in every] == [1, 2, 3]


def test_executions_when_asked_late_fill_at_the_open_of_the_first_bar_after_the_decision(broker):
    broker.submit([wish("P1")])
    (one,) = broker.executions(cursor=0, through=day(4))  # three bars later
    assert (one.executed_at, one.price) == (day(1), Decimal("101.03"))
    assert one.fee == one.price * 10 * Decimal("0.0005")
    assert one.execution_id == "P1-1"


def test_executions_when_the_bar_closes_after_the_instant_wait(broker):
    broker.submit([wish("P1")])
    assert read(broker, 0, day(1)) == []
    assert read(broker, 0, day(2) - DAY / 1000) == []
    assert states(broker, "P1") == ["open"]
    assert [at for _, _, at in read(broker, 0, day(2))] == [day(1)]


def test_executions_when_the_instrument_pauses_wait_for_its_next_bar(broker):
    Bar.objects.filter(instrument__symbol="ACME", opened_at=day(1)).delete()
    broker.submit([wish("P1"), wish("P2", symbol="BOLT")])
    assert [name for _, name, _ in read(broker, 0, day(2))] == ["P2"]
    assert [(name, at) for _, name, at in read(broker, 1, day(3))] == [("P1", day(2))]


def test_executions_when_known_only_later_are_not_told_to_an_earlier_instant(broker):
    broker.submit([wish("P1", number=2)])
    assert len(read(broker, 0, day(3))) == 1
    assert read(broker, 0, day(2)) == []
