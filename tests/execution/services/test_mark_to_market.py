"""A position is marked in its own units, also around a split and without a bar."""

from decimal import Decimal

import pytest

from execution.models import EquityPoint
from execution.services.mark_to_market import mark_to_market
from execution.services.place_orders import place_orders
from marketdata.models import Bar, Instrument, Split
from tests.execution.small_desk import IN, day

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


def splits_in_a_pause(desk) -> Decimal:
    """Buy, then split 2 for 1 while the instrument has no bar; return equity before."""
    desk.bought(1, {"ACME": IN})
    desk.place(2, {})
    acme = Instrument.objects.get(symbol="ACME")
    Bar.objects.filter(instrument=acme, opened_at=day(2)).delete()
    Split.objects.create(instrument=acme, effective_at=day(2), ratio=2)
    return EquityPoint.objects.latest("closed_at").equity


def test_decide_when_a_split_fell_into_a_pause_marks_the_old_close_in_new_units(small_desk):
    before = splits_in_a_pause(small_desk)
    small_desk.settle(3)
    cycle = small_desk.cycle(3, {})
    acme = Instrument.objects.get(symbol="ACME")
    cycle.scored.pop((acme.pk, "1d", ""))
    assert place_orders(cycle) is not None
    assert EquityPoint.objects.latest("closed_at").equity == before
    assert small_desk.book().peak_equity == 100_000


def test_mark_when_a_split_is_booked_but_its_bar_is_missing_keeps_the_worth(small_desk):
    before = splits_in_a_pause(small_desk)
    small_desk.settle(3)
    small_desk.account.stream.sealed_to = day(3)
    assert mark_to_market(small_desk.account).equity == before


def test_mark_when_a_split_is_sealed_but_not_booked_keeps_the_worth(small_desk):
    small_desk.bought(1, {"ACME": IN})
    small_desk.place(2, {})
    acme = Instrument.objects.get(symbol="ACME")
    Split.objects.create(instrument=acme, effective_at=day(2), ratio=2)
    Bar.objects.filter(instrument=acme, opened_at=day(2)).update(
        open=50.5, high=50.5, low=50.5, close=50.5
    )
    small_desk.account.stream.sealed_to = day(3)
    assert (
        mark_to_market(small_desk.account).equity == EquityPoint.objects.latest("closed_at").equity
    )
