"""The walk from sealed bars to equity, in one process, on real prices."""

from datetime import UTC, datetime

import pytest

from execution.models import EquityPoint, Fill, LedgerEntry, Order
from strategies.models import Signal

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


def test_walk_when_bars_are_sealed_trades_to_equity(sample_desk, walk_to):
    stream, account, _ = sample_desk()

    walk_to(stream, account.pk, datetime(2006, 1, 1, tzinfo=UTC))

    assert Signal.objects.count() > 10
    assert Fill.objects.count() > 10
    assert set(Order.objects.values_list("state", flat=True)) == {"filled"}
    assert EquityPoint.objects.count() == 252
    assert LedgerEntry.objects.filter(book="cash").count() == Fill.objects.count() + 1
