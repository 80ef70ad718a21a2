"""Whatever dies or stalls between lease and answer, the venue has each order exactly once."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection

from domain.orders import OrderRequest, VenueReply
from execution.models import Order, OrderEvent, Outbox, PaperOrder
from execution.services import submit_orders as submitting
from marketdata.models import Stream
from marketdata.models.wall_time import ClockTimestamp
from risk.services.kill_switch import engage_kill_switch
from tests.execution.small_desk import IN, OUT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


class VenueDownError(Exception):
    """The sender dies here."""


class Wrapped:
    """A venue with hooks around the real paper venue."""

    before: Any = None
    after: Any = None
    submits = 0

    def __init__(self, real: Any) -> None:
        self.real = real
        self.capabilities = real.capabilities
        self.query, self.cancel, self.executions = real.query, real.cancel, real.executions

    def submit(self, orders: Sequence[OrderRequest]) -> list[VenueReply]:
        kind = type(self)
        kind.submits += 1
        hook, kind.before = kind.before, None
        if hook:
            hook()
        replies = self.real.submit(orders)
        hook, kind.after = kind.after, None
        if hook:
            hook()
        return replies


@pytest.fixture
def venue(wrap_venue):
    return wrap_venue(type("Venue", (Wrapped,), {}))


def raise_down() -> None:
    raise VenueDownError


def end_leases() -> None:
    Outbox.objects.update(lease_until="2000-01-01T00:00:00Z")


def edges(order: Order) -> list[tuple[str, str]]:
    found = OrderEvent.objects.filter(order=order).order_by("seq")
    return list(found.values_list("from_state", "to_state"))


def test_submit_when_due_sends_once_and_records_open(small_desk):
    small_desk.place(1, {"ACME": IN})

    assert small_desk.submit() == 1
    assert small_desk.submit() == 0

    order, outbox = small_desk.order(), Outbox.objects.get()
    assert edges(order) == [("ready", "sending"), ("sending", "open")]
    assert (outbox.done, outbox.epoch, outbox.attempts, outbox.lease_until) == (True, 1, 1, None)
    assert PaperOrder.objects.get().client_order_id == order.client_order_id
    assert order.reserved > 0


def test_submit_when_more_than_ten_are_due_sends_ten_at_a_time(small_desk, monkeypatch):
    monkeypatch.setattr(submitting, "BATCH", 1)
    small_desk.place(1, {"ACME": IN, "BOLT": IN})
    assert (small_desk.submit(), small_desk.states()) == (1, ["open", "ready"])
    assert (small_desk.submit(), small_desk.states()) == (1, ["open", "open"])


def test_submit_when_leased_by_another_sends_nothing(small_desk):
    small_desk.place(1, {"ACME": IN})
    submitting._lease(small_desk.account.pk)
    assert small_desk.submit() == 0
    assert small_desk.states() == ["ready"]


def test_submit_when_the_lessee_died_before_sending_is_taken_over(small_desk):
    small_desk.place(1, {"ACME": IN})
    submitting._lease(small_desk.account.pk)
    end_leases()
    assert small_desk.submit() == 1
    assert small_desk.states() == ["open"]
    assert Outbox.objects.get().epoch == 2


@pytest.mark.parametrize("moment", ["before", "after"])
def test_submit_when_the_sender_dies_around_the_venue_ends_open_once(small_desk, venue, moment):
    small_desk.place(1, {"ACME": IN})
    setattr(venue, moment, raise_down)

    with pytest.raises(VenueDownError):
        small_desk.submit()
    assert small_desk.states() == ["sending"]
    assert small_desk.submit() == 0  # the lease still holds
    assert PaperOrder.objects.count() == (moment == "after")

    end_leases()
    assert small_desk.submit() == 1
    assert small_desk.states() == ["open"]
    assert PaperOrder.objects.count() == 1
    assert venue.submits == (2 if moment == "before" else 1)
    known = [("unknown", "open")]
    lost = [("unknown", "sending"), ("sending", "open")]
    assert edges(small_desk.order()) == [
        ("ready", "sending"),
        ("sending", "unknown"),
        *(lost if moment == "before" else known),
    ]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_submit_when_a_stale_epoch_answers_last_changes_nothing(small_desk, venue, moment):
    """A frozen sender: meanwhile another takes the lease and finishes."""
    small_desk.place(1, {"ACME": IN})

    def somebody_else_finishes() -> None:
        end_leases()
        assert small_desk.submit() == 1
        assert small_desk.states() == ["open"]

    setattr(venue, moment, somebody_else_finishes)
    small_desk.submit()

    assert PaperOrder.objects.count() == 1
    assert small_desk.states() == ["open"]
    assert Outbox.objects.get().epoch == 2
    assert len(edges(small_desk.order())) == (4 if moment == "before" else 3)


def test_submit_when_a_stale_epoch_comes_to_send_sends_nothing(small_desk):
    small_desk.place(1, {"ACME": IN})
    stale = submitting._lease(small_desk.account.pk)
    end_leases()
    submitting._lease(small_desk.account.pk)
    assert submitting._mark_sending(small_desk.account, stale) == []
    assert small_desk.states() == ["ready"]


def test_submit_when_halted_between_lease_and_sending_cancels_entries_alone(
    small_desk, monkeypatch
):
    small_desk.bought(1, {"ACME": IN})
    small_desk.place(2, {"ACME": OUT, "BOLT": IN})
    lease = submitting._lease

    def lease_then_halt(account_id: int) -> Any:
        leased = lease(account_id)
        engage_kill_switch(account_name="small", actor="anna", reason="drill")
        return leased

    monkeypatch.setattr(submitting, "_lease", lease_then_halt)
    small_desk.submit()

    assert small_desk.states() == ["filled", "open", "canceled"]
    entry = Order.objects.get(state="canceled")
    assert (entry.reason, entry.reserved) == ("halted before sending", 0)
    assert not PaperOrder.objects.filter(client_order_id=entry.client_order_id).exists()
    assert not Outbox.objects.filter(done=False).exists()


@pytest.mark.parametrize(
    ("feed", "reason"),
    [
        ({"is_mute": True}, "feed mute before sending"),
        ({"heartbeat_at": "2001-01-01T00:00:00Z"}, "feed not running before sending"),
        ({"heartbeat_at": None}, "feed not running before sending"),
    ],
)
def test_submit_when_the_live_feed_is_in_trouble_cancels_entries_and_lets_exits_go(
    small_desk, feed, reason
):
    small_desk.bought(1, {"ACME": IN})
    small_desk.place(2, {"ACME": OUT, "BOLT": IN})
    Stream.objects.update(**{"kind": "live", "heartbeat_at": ClockTimestamp(), **feed})
    small_desk.submit()
    assert small_desk.states() == ["filled", "open", "canceled"]
    assert Order.objects.get(state="canceled").reason == reason


def test_submit_when_the_live_feed_is_well_sends(small_desk):
    small_desk.place(2, {"BOLT": IN})
    Stream.objects.update(kind="live", heartbeat_at=ClockTimestamp())
    small_desk.submit()
    assert small_desk.states() == ["open"]


def test_submit_when_the_dead_senders_entry_never_arrived_and_the_account_is_halted_cancels(
    small_desk, venue
):
    small_desk.place(1, {"ACME": IN})
    venue.before = raise_down
    with pytest.raises(VenueDownError):
        small_desk.submit()
    engage_kill_switch(account_name="small", actor="anna", reason="drill")
    end_leases()

    small_desk.submit()

    assert small_desk.states() == ["canceled"]
    assert PaperOrder.objects.count() == 0
    assert Outbox.objects.get().done


def test_submit_when_the_venue_never_answers_gives_up_and_keeps_the_reservation(
    small_desk, venue, monkeypatch
):
    monkeypatch.setattr(submitting, "MAX_ATTEMPTS", 2)
    small_desk.place(1, {"ACME": IN})

    def mute(orders: Sequence[OrderRequest]) -> list[VenueReply]:
        return [VenueReply(one.client_order_id, "unknown") for one in orders]

    monkeypatch.setattr(venue, "submit", lambda _self, orders: mute(orders))
    for _ in range(2):
        small_desk.submit()
        end_leases()

    outbox, order = Outbox.objects.get(), small_desk.order()
    assert (outbox.dead, outbox.done) == (True, False)
    assert outbox.reason == "no answer after many attempts"
    assert order.reserved > 0
    assert small_desk.submit() == 0
    # What is stuck is only excused by an incident, which a person answers.
    assert order.incident is not None


def test_submit_when_an_order_was_finished_by_its_fill_retires_the_outbox_row(small_desk, venue):
    """The sender died after the venue took the order, and the fill was booked first."""
    small_desk.place(1, {"ACME": IN})
    venue.after = raise_down
    with pytest.raises(VenueDownError):
        small_desk.submit()
    small_desk.settle(2)
    assert small_desk.states() == ["filled"]
    end_leases()
    small_desk.submit()
    assert Outbox.objects.get().done


def test_submit_when_the_lease_is_nearly_over_does_not_send(small_desk, monkeypatch):
    small_desk.place(1, {"ACME": IN})
    clock = iter([0.0, 1.5])
    monkeypatch.setattr(submitting.time, "monotonic", lambda: next(clock, 1.5))
    small_desk.submit()
    assert small_desk.states() == ["sending"]
    assert PaperOrder.objects.count() == 0
    monkeypatch.undo()
    end_leases()
    small_desk.submit()
    assert small_desk.states() == ["open"]


def test_submit_when_halted_takes_no_book_lock_after_order_locks(small_desk):
    """Book comes first in the lock order, so it may not be taken while orders are held."""
    small_desk.place(1, {"ACME": IN})
    engage_kill_switch(account_name="small", actor="anna", reason="drill")
    seen: list[tuple[bool, str]] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append((connection.in_atomic_block, sql))
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        small_desk.submit()
    assert small_desk.states() == ["canceled"]
    updates = [inside for inside, sql in seen if sql.startswith("UPDATE execution_book")]
    assert updates == [False]
