"""Fills and splits: booked once, exact in position, cash and ledger, whatever comes twice."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from domain.orders import Execution
from execution.models import (
    Fill,
    Incident,
    LedgerEntry,
    LedgerTxn,
    Order,
    OrderEvent,
    PaperExecution,
    PaperOrder,
    Position,
)
from execution.services import book_fills as booking
from execution.services.move_orders import OrderMove, move_orders
from marketdata.models import Instrument, Split
from risk.models import Control
from tests.execution.small_desk import IN, OUT, SmallDesk, day
from tradingsite.models import Audit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


class VenueDownError(Exception):
    """The settler dies here."""


def record(desk: SmallDesk) -> tuple[Any, ...]:
    """Return every number a fill moves."""
    book = desk.book()
    return (
        book.cash,
        book.execution_cursor,
        book.settled_to,
        list(Fill.objects.order_by("id").values_list("execution_id", "quantity", "price", "fee")),
        list(Position.objects.order_by("id").values_list("quantity", "cost", "realised", "fees")),
        list(LedgerTxn.objects.order_by("id").values_list("ref", "booked_for")),
        list(LedgerEntry.objects.order_by("id").values_list("book", "asset", "amount")),
        list(Order.objects.order_by("id").values_list("state", "filled_quantity", "reserved")),
    )


def changed(
    wrap_venue: Callable[[type[Any]], type[Any]],
    change: Callable[[list[Execution]], list[Execution]],
) -> None:
    """Let the venue report executions as `change` makes them."""

    class Venue:
        def __init__(self, real: Any) -> None:
            self.real = real
            self.capabilities = real.capabilities
            self.submit, self.query, self.cancel = real.submit, real.query, real.cancel

        def executions(self, *, cursor: int, through: datetime) -> list[Execution]:
            return change(self.real.executions(cursor=cursor, through=through))

    wrap_venue(Venue)


def test_settle_when_an_order_fills_moves_order_position_cash_and_ledger(small_desk):
    small_desk.place(1, {"ACME": IN})
    small_desk.submit()

    booked = small_desk.settle(2)

    order, fill = small_desk.order(), Fill.objects.get()
    assert [one.execution_id for one in booked] == [f"{order.client_order_id}-1"]
    # 101.00 is 10100 ticks, 2 basis points are 2.02, a part of a tick is a whole one: 101.03.
    price, paid = Decimal("101.03"), Decimal("10103")
    fee = paid * Decimal("0.0005")
    assert (fill.price, fill.quantity, fill.fee) == (price, 100, fee)
    assert fill.executed_at == day(1)
    assert (order.state, order.filled_quantity, order.reserved) == ("filled", 100, 0)
    position = Position.objects.get()
    assert (position.quantity, position.cost, position.realised, position.fees) == (
        100, paid, 0, fee,
    )  # fmt: skip
    book = small_desk.book()
    assert (book.cash, book.settled_to, book.execution_cursor) == (100_000 - paid - fee, day(2), 1)
    entries = LedgerEntry.objects.filter(txn__ref=f"fill:{book.pk}:{fill.execution_id}")
    assert {(one.book, one.asset): one.amount for one in entries} == {
        ("position", "SIM:ACME"): 100,
        ("market", "SIM:ACME"): -100,
        ("cash", "USD"): -paid - fee,
        ("market", "USD"): paid,
        ("fees", "USD"): fee,
    }
    assert Audit.objects.filter(action="fill").count() == 1


def test_settle_when_done_twice_changes_nothing(small_desk):
    small_desk.bought(1, {"ACME": IN, "BOLT": IN})
    before = record(small_desk)
    assert small_desk.settle(2) == []
    assert record(small_desk) == before


def test_settle_when_the_bar_has_not_closed_books_nothing(small_desk):
    small_desk.place(1, {"ACME": IN})
    small_desk.submit()
    assert small_desk.settle(1) == []
    assert small_desk.states() == ["open"]
    assert not PaperExecution.objects.exists()


def test_settle_when_it_dies_after_the_venue_executed_books_next_time(small_desk, monkeypatch):
    small_desk.place(1, {"ACME": IN})
    small_desk.submit()

    def die(*_: Any) -> None:
        raise VenueDownError

    with monkeypatch.context() as patch:
        patch.setattr(booking, "_book", die)
        with pytest.raises(VenueDownError):
            small_desk.settle(2)
    assert PaperExecution.objects.count() == 1
    assert (small_desk.states(), small_desk.book().cash) == (["open"], 100_000)

    assert len(small_desk.settle(2)) == 1
    assert small_desk.states() == ["filled"]
    assert PaperExecution.objects.count() == 1


@pytest.mark.parametrize("is_reversed", [False, True])
def test_settle_when_executions_are_reported_again_under_new_cursors_changes_nothing(
    small_desk, wrap_venue, is_reversed
):
    small_desk.bought(1, {"ACME": IN, "BOLT": IN})
    before = record(small_desk)
    known = list(PaperExecution.objects.order_by("cursor"))

    def again(_: list[Execution]) -> list[Execution]:
        found = [
            Execution(
                cursor=one.cursor + 10, execution_id=one.execution_id,
                client_order_id=one.client_order_id, quantity=one.quantity,
                price=one.price, fee=one.fee, executed_at=one.executed_at,
            )
            for one in known
        ]  # fmt: skip
        return found[::-1] if is_reversed else found

    changed(wrap_venue, again)
    assert small_desk.settle(3) == []
    after = record(small_desk)
    assert after[3:] == before[3:]
    assert after[0] == before[0]
    assert not Incident.objects.exists()
    assert Control.objects.get().state == "active"


def test_settle_when_one_answer_holds_an_execution_twice_books_it_once(small_desk, wrap_venue):
    changed(wrap_venue, lambda found: [*found, *(replace(one, cursor=99) for one in found)])
    small_desk.bought(1, {"ACME": IN})
    assert Fill.objects.count() == 1
    assert not Incident.objects.exists()


def parts(found: Sequence[Execution]) -> list[Execution]:
    """Return each execution in two parts of 40 and 60."""
    return [
        replace(
            one, cursor=place, execution_id=f"{one.client_order_id}-{place}", quantity=Decimal(size)
        )
        for one in found
        for place, size in ((1, 40), (2, 60))
    ]


def test_settle_when_an_order_fills_in_parts_ends_filled_with_the_sum(small_desk, wrap_venue):
    changed(wrap_venue, parts)
    small_desk.bought(1, {"ACME": IN})
    assert small_desk.states() == ["filled"]
    assert Position.objects.get().quantity == 100
    assert Fill.objects.count() == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"quantity": Decimal(201)}, "it fills more than was ordered"),
        ({"client_order_id": "PNOBODYKNOWS"}, "no order of this account has its client id"),
        ({"price": Decimal(0)}, "its numbers are impossible"),
        ({"price": Decimal("NaN")}, "its numbers are impossible"),
        ({"price": Decimal(10) ** 15}, "its numbers are impossible"),
        ({"fee": Decimal(-1)}, "its numbers are impossible"),
    ],
)
def test_settle_when_a_fill_cannot_be_sets_it_aside_halts_and_books_the_rest(
    small_desk, wrap_venue, change, why
):
    def spoil(found: list[Execution]) -> list[Execution]:
        bolt = Instrument.objects.get(symbol="BOLT")
        own = Order.objects.get(instrument=bolt).client_order_id
        return [replace(one, **change) if one.client_order_id == own else one for one in found]

    changed(wrap_venue, spoil)
    small_desk.bought(1, {"ACME": IN, "BOLT": IN})

    incident = Incident.objects.get()
    assert (incident.kind, incident.detail["why"]) == ("unexpected_fill", why)
    control = Control.objects.get()
    assert (control.state, control.halt_epoch) == ("halted", 1)
    assert [one.order.instrument.symbol for one in Fill.objects.all()] == ["ACME"]
    book = small_desk.book()
    assert (book.execution_cursor, book.settled_to) == (2, day(2))
    assert Position.objects.filter(quantity__gt=0).count() == 1
    # The next settlement neither trips over it nor raises it again.
    assert small_desk.settle(3) == []
    assert Incident.objects.count() == 1


def test_settle_when_a_fill_meets_an_order_never_sent_sets_it_aside(small_desk, wrap_venue):
    small_desk.place(1, {"ACME": IN})
    order = small_desk.order()

    def invented(_: list[Execution]) -> list[Execution]:
        return [
            Execution(1, "X-1", order.client_order_id, Decimal(100), Decimal(9), Decimal(0), day(1))
        ]

    changed(wrap_venue, invented)
    assert small_desk.settle(2) == []
    assert Incident.objects.get().detail["why"] == "its order was never sent"
    assert small_desk.states() == ["ready"]
    Order.objects.update(state="canceled", reserved=0)  # by hand: the test ends without a stuck one
    OrderEvent.objects.create(order=order, seq=1, from_state="ready", to_state="canceled")


@pytest.mark.parametrize("state", ["canceled", "rejected"])
def test_settle_when_the_venue_fills_what_we_had_closed_books_the_late_evidence(
    small_desk, wrap_venue, state
):
    small_desk.place(1, {"ACME": IN})
    small_desk.submit()
    order = small_desk.order()
    if state == "canceled":
        move_orders([OrderMove(order.pk, "open", "canceled", "test")])
    else:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE execution_order DISABLE TRIGGER ALL")
            cursor.execute("UPDATE execution_order SET state = 'rejected', reserved = 0")
            cursor.execute("ALTER TABLE execution_order ENABLE TRIGGER ALL")
            cursor.execute("ALTER TABLE execution_orderevent DISABLE TRIGGER ALL")
            cursor.execute("UPDATE execution_orderevent SET to_state = 'rejected' WHERE seq = 2")
            cursor.execute("ALTER TABLE execution_orderevent ENABLE TRIGGER ALL")

    assert len(small_desk.settle(2)) == 1
    assert small_desk.states() == ["filled"]
    assert Position.objects.get().quantity == 100


def split_now(symbol: str, number: int, ratio: str) -> Split:
    instrument = Instrument.objects.get(symbol=symbol)
    return Split.objects.create(
        instrument=instrument, effective_at=day(number), ratio=Decimal(ratio)
    )


def test_settle_when_a_holding_splits_two_for_one_doubles_it_and_keeps_cash(small_desk):
    small_desk.bought(1, {"ACME": IN})
    small_desk.place(2, {})
    cash, cost = small_desk.book().cash, Position.objects.get().cost
    split_now("ACME", 2, "2")

    small_desk.settle(3)

    position = Position.objects.get()
    assert (position.quantity, position.cost, small_desk.book().cash) == (200, cost, cash)
    txn = LedgerTxn.objects.get(ref__startswith="split:")
    amounts = LedgerEntry.objects.filter(txn=txn).values_list("book", "amount")
    assert dict(amounts) == {"position": 100, "market": -100}
    assert Audit.objects.filter(action="split").count() == 1
    before = record(small_desk)
    small_desk.settle(3)
    small_desk.settle(4)
    assert record(small_desk)[3:] == before[3:]


def test_settle_when_a_split_leaves_part_of_a_share_pays_it_in_cash(small_desk):
    small_desk.bought(1, {"ACME": IN}, size_pct=0.11)  # one share at 100
    assert Position.objects.get().quantity == 1
    small_desk.place(2, {})
    cash = small_desk.book().cash
    split_now("ACME", 2, "1.5")

    small_desk.settle(3)

    # 1.5 shares: one stays, half a share at 101.00 / 1.5 is paid.
    position = Position.objects.get()
    paid = Decimal("33.66666667")
    assert position.quantity == 1
    assert small_desk.book().cash - cash == paid


def test_settle_when_a_split_comes_cancels_the_orders_decided_before_it(small_desk):
    small_desk.place(1, {"ACME": IN, "BOLT": IN})
    small_desk.submit()
    split_now("ACME", 1, "2")

    small_desk.settle(2)

    states = dict(Order.objects.values_list("instrument__symbol", "state"))
    assert states == {"ACME": "canceled", "BOLT": "filled"}
    gone = Order.objects.get(state="canceled")
    assert (gone.reason, gone.reserved) == ("canceled by a split", 0)
    assert PaperOrder.objects.get(client_order_id=gone.client_order_id).state == "canceled"
    assert not Position.objects.filter(instrument__symbol="ACME", quantity__gt=0).exists()


def test_settle_when_it_dies_after_a_split_canceled_at_the_venue_ends_the_same(
    small_desk, monkeypatch
):
    small_desk.place(1, {"ACME": IN})
    small_desk.submit()
    split_now("ACME", 1, "2")

    def die(*_: Any) -> None:
        raise VenueDownError

    with monkeypatch.context() as patch:
        patch.setattr(booking, "_book", die)
        with pytest.raises(VenueDownError):
            small_desk.settle(2)
    assert small_desk.states() == ["open"]
    small_desk.settle(2)
    assert small_desk.states() == ["canceled"]


def test_settle_when_the_order_was_decided_after_the_split_fills(small_desk):
    split_now("ACME", 1, "2")
    small_desk.place(1, {})
    small_desk.place(2, {"ACME": IN})
    small_desk.submit()
    small_desk.settle(3)
    assert small_desk.states() == ["filled"]


def test_round_trip_when_sold_realises_what_cash_says(small_desk):
    small_desk.bought(1, {"ACME": IN})
    small_desk.bought(2, {"ACME": OUT})
    position, book = Position.objects.get(), small_desk.book()
    assert (position.quantity, position.cost) == (0, 0)
    assert book.cash == 100_000 + position.realised - position.fees
