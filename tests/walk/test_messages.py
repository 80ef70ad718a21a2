"""Messages only say "look again": doubled, late or lost, they change nothing."""

from datetime import UTC, datetime, timedelta

import pytest

from execution.models import EquityPoint, Fill, Order, PaperOrder, Position
from execution.queries import accounts_with_work, decided_to
from marketdata.models import Seal
from marketdata.services.ingest_bars import seal_instants
from risk.models import Decision
from risk.services.kill_switch import engage_kill_switch, release_kill_switch
from strategies.models import Signal
from strategies.services.change_bot_state import change_bot_state
from tests.walk.facts import BEGIN, END, STOCKS, facts
from tradingsite.invariants import violations
from tradingsite.pipelines import supervision, trading

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

MIDDLE = datetime(2005, 7, 1, tzinfo=UTC)


def walk_until_held(walk_to, stream, account) -> datetime:
    """Walk week by week until the account holds something; return how far that was."""
    reached = BEGIN
    while not Position.objects.filter(quantity__gt=0).exists():
        reached += timedelta(days=7)
        walk_to(stream, account.pk, reached)
    return reached


def test_walk_when_every_message_comes_again_changes_nothing(calm_walk, sample_desk, walk_to):
    stream, account, _ = sample_desk(BEGIN, STOCKS)
    walk_to(stream, account.pk, MIDDLE)
    trading.walk(account.pk)
    before = facts()
    again = [(one.closed_at, one.bars) for one in Seal.objects.filter(stream=stream)]
    assert seal_instants(stream_id=stream.pk, instants=again) == 0
    for force in (False, True, True):
        trading.walk(account.pk, force=force)
    supervision.sweep()
    supervision.catch_up()
    supervision.dispatch_due()
    supervision.reconcile_all()
    supervision.mark_all()
    assert facts() == before
    assert accounts_with_work() == []

    walk_to(stream, account.pk, END, ahead=1)  # one seal at a time or sixty-four: the same
    assert facts() == calm_walk


def test_walk_when_every_message_is_lost_is_found_by_the_sweepers(sample_desk, walk_to):
    stream, account, _ = sample_desk(BEGIN, STOCKS)
    bars = [datetime(2005, 1, 4, tzinfo=UTC), datetime(2005, 1, 5, tzinfo=UTC)]
    seal_instants(stream_id=stream.pk, instants=[(at, 3) for at in bars])
    assert accounts_with_work() == [account.pk]


def test_bot_when_stopped_keeps_its_positions_and_is_asked_no_more(sample_desk, walk_to):
    stream, account, bot = sample_desk(BEGIN, STOCKS)
    walk_until_held(walk_to, stream, account)
    change_bot_state(bot_name=bot.name, state="stopped", actor="anna")
    held = dict(Position.objects.values_list("instrument__symbol", "quantity"))
    signals, points = Signal.objects.count(), EquityPoint.objects.count()

    walk_to(stream, account.pk, END)

    assert Signal.objects.count() == signals
    split = {"AAPL": 2}  # nobody's leave is asked: shares split whether a bot runs or not
    assert dict(Position.objects.values_list("instrument__symbol", "quantity")) == {
        symbol: quantity * split.get(symbol, 1) for symbol, quantity in held.items()
    }
    assert held["AAPL"] > 0
    assert EquityPoint.objects.count() > points + 100  # still marked at every instant
    assert decided_to(account.pk) > datetime(2005, 12, 25, tzinfo=UTC)
    assert violations() == []


def test_kill_switch_when_pulled_in_mid_walk_lets_exits_alone_pass(sample_desk, walk_to):
    stream, account, _ = sample_desk(BEGIN, STOCKS)
    halted_at = walk_until_held(walk_to, stream, account)
    orders = Order.objects.count()
    engage_kill_switch(account_name="test", actor="anna", reason="drill")

    walk_to(stream, account.pk, END)

    later = Order.objects.order_by("id")[orders:]
    assert {order.reduce_only for order in later} == {True}
    assert {order.state for order in later} == {"filled"}
    refused = Decision.objects.filter(closed_at__gt=halted_at, approved=False)
    assert {one.reason for one in refused} == {"the kill switch is on: only exits pass"}
    assert not Position.objects.filter(quantity__lt=0).exists()
    assert Fill.objects.count() == Order.objects.filter(state="filled").count()
    assert PaperOrder.objects.filter(state="open").count() == 0
    release_kill_switch(account_name="test", actor="anna", reason="drill over")
    assert violations() == []


def test_kill_switch_when_pulled_while_an_entry_works_cancels_it_before_it_can_fill(
    sample_desk, walk_to
):
    stream, account, _ = sample_desk(BEGIN, STOCKS)
    day = BEGIN
    while not Order.objects.filter(state="open", reduce_only=False).exists():
        day = day.replace(day=day.day + 1)
        walk_to(stream, account.pk, day, ahead=1)
    engage_kill_switch(account_name="test", actor="anna", reason="drill")

    walk_to(stream, account.pk, datetime(2005, 2, 1, tzinfo=UTC))

    first = Order.objects.order_by("id").first()
    assert (first.state, first.reason, first.reserved) == ("canceled", "canceled by a halt", 0)
    assert not Fill.objects.exists()
    assert violations() == []
