"""One instant is decided once, wholly, and only when nothing has to come first."""

from decimal import Decimal

import pytest

from domain.orders import client_order_id
from execution.models import EquityPoint, Fill, LedgerTxn, Order, OrderEvent, Outbox
from execution.services.place_orders import CycleReport, place_orders
from marketdata.models import Split
from risk.models import Decision
from risk.services.kill_switch import engage_kill_switch
from strategies.models import Hold, Signal
from tests.execution.small_desk import IN, OUT, day
from tradingsite.models import Audit

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

TABLES = (Signal, Decision, Order, Outbox, OrderEvent, Hold, EquityPoint, LedgerTxn, Fill, Audit)


def counts() -> dict[str, int]:
    return {table.__name__: table.objects.count() for table in TABLES}


def test_place_when_wished_writes_signal_to_outbox_and_moves_the_book(small_desk):
    report = small_desk.place(1, {"ACME": IN})

    assert report == CycleReport(signals=1, orders=1, is_quiet=False)
    signal, decision = Signal.objects.get(), Decision.objects.get()
    order, outbox = Order.objects.get(), Outbox.objects.get()
    assert signal.key == "bot:small:SIM:ACME:1d:2020-01-02T00:00:00Z"
    assert (decision.signal_id, decision.approved, decision.equity) == (signal.pk, True, 100_000)
    assert [check["rule"] for check in decision.checks] == [
        *("size", "buying_power", "daily_loss", "kill_switch", "max_drawdown", "max_position"),
        "stale_data",
    ]
    assert order.client_order_id == client_order_id(
        env="test", account="small", signal_key=signal.key, leg=0, issue_no=0
    )
    # 10 % of 100 000 at 100.00; reserved: 100 x 100.02 and its fee of 5 basis points.
    assert (order.side, order.quantity, order.state) == (1, Decimal(100), "ready")
    assert order.reserved == Decimal("10007.001")
    assert (order.decision_id, order.decided_at) == (decision.pk, day(1))
    assert (outbox.order_id, outbox.action, outbox.done, outbox.epoch) == (
        order.pk, "submit", False, 0,
    )  # fmt: skip
    assert EquityPoint.objects.get().equity == 100_000
    assert list(Hold.objects.get().symbols) == ["SIM:BOLT"]
    assert (small_desk.book().decided_to, small_desk.book().version) == (day(1), 1)
    assert Audit.objects.filter(action="place", subject=order.client_order_id).count() == 1


def test_place_when_the_instant_is_decided_already_writes_nothing(small_desk):
    cycle = small_desk.cycle(1, {"ACME": IN})
    place_orders(cycle)
    before, book = counts(), small_desk.book().__dict__

    assert place_orders(cycle) is None

    assert counts() == before
    after = small_desk.book().__dict__
    assert {**after, "_state": 0} == {**book, "_state": 0}


def test_place_when_an_older_view_of_the_book_comes_again_places_no_second_order(small_desk):
    """The guard against a doubled order: nothing works, so only `decided_to` stands between."""
    stale = small_desk.cycle(1, {"ACME": IN})
    small_desk.bought(1, {"ACME": IN})

    assert place_orders(stale) is None

    assert Order.objects.count() == 1


def test_place_when_a_later_writer_fails_writes_nothing(small_desk):
    before = counts()

    with pytest.raises(ZeroDivisionError):
        place_orders(small_desk.cycle(1, {}), decide=lambda _: 1 // 0)

    assert counts() == before
    assert small_desk.book().decided_to == day(0)


@pytest.mark.parametrize("state", ["ready", "sending", "unknown"])
def test_place_when_an_order_is_unsent_keeps_the_gate_closed(small_desk, state):
    small_desk.place(1, {"ACME": IN})
    order = small_desk.order()
    for step in {"ready": (), "sending": ("sending",), "unknown": ("sending", "unknown")}[state]:
        OrderEvent.objects.create(
            order=order,
            seq=OrderEvent.objects.count() + 1,
            from_state=order.state,
            to_state=step,
        )
        order.state = step
        order.save(update_fields=["state"])

    assert small_desk.place(2, {"BOLT": IN}) is None
    assert small_desk.book().decided_to == day(1)


def test_place_when_an_order_works_waits_for_the_settlement_of_that_instant(small_desk):
    small_desk.place(1, {"ACME": IN})
    small_desk.submit()
    assert small_desk.place(2, {}) is None
    small_desk.settle(2)
    assert small_desk.place(2, {}) == CycleReport(signals=0, orders=0, is_quiet=True)


def test_place_when_a_split_of_a_holding_is_due_waits_for_the_settlement(small_desk):
    small_desk.bought(1, {"ACME": IN})
    assert small_desk.place(2, {}) is not None
    Split.objects.create(
        instrument_id=small_desk.order().instrument_id, effective_at=day(2), ratio=2
    )
    assert small_desk.place(3, {}) is None
    small_desk.settle(3)
    assert small_desk.place(3, {}) is not None


def test_place_when_halted_stores_the_refused_entry_and_lets_the_exit_pass(small_desk):
    small_desk.bought(1, {"ACME": IN})
    engage_kill_switch(account_name="small", actor="anna", reason="drill")

    report = small_desk.place(2, {"ACME": OUT, "BOLT": IN})

    assert report == CycleReport(signals=2, orders=1, is_quiet=False)
    refused = Decision.objects.get(signal__key__contains="BOLT")
    assert (refused.approved, refused.quantity) == (False, 0)
    assert refused.reason == "the kill switch is on: only exits pass"
    assert not Order.objects.filter(decision=refused).exists()
    leaving = Order.objects.get(state="ready")
    assert (leaving.side, leaving.quantity, leaving.reduce_only) == (-1, 100, True)
    assert leaving.reserved == 0


def test_place_when_two_instants_race_for_one_budget_keeps_the_limit(small_desk):
    small_desk.place(1, {"ACME": IN}, size_pct=6.0)
    small_desk.submit()
    small_desk.settle(2)
    small_desk.place(2, {"ACME": IN}, size_pct=6.0)

    second = Decision.objects.order_by("id").last()
    assert second.reason == "the position would be too large a share of equity"
    assert second.used_before + second.requested > second.limit_value
    assert Order.objects.count() == 1


def test_place_when_data_arrived_late_refuses_by_the_stored_lag(small_desk):
    cycle = small_desk.cycle(1, {"ACME": IN})
    late = type(cycle.instant)(cycle.instant.closed_at, 3 * 86_400_000 + 1)
    place_orders(type(cycle)(**{name: getattr(cycle, name) for name in cycle.__slots__}
                             | {"instant": late}))  # fmt: skip
    assert Decision.objects.get().reason == "the price is too old"


def test_place_when_the_same_desk_is_made_twice_gives_the_same_client_ids(small_desk):
    small_desk.place(1, {"ACME": IN, "BOLT": IN})
    ids = set(Order.objects.values_list("client_order_id", flat=True))
    keys = Signal.objects.values_list("key", flat=True)
    assert ids == {
        client_order_id(env="test", account="small", signal_key=key, leg=0, issue_no=0)
        for key in keys
    }
    assert all(len(one) == 20 and one.isalnum() and one.isupper() for one in ids)
