"""Sweepers: one account's trouble is not another's, and idle is not frozen."""

from datetime import timedelta

import pytest
from django.db import connection

from execution.models import Book
from execution.queries import accounts_with_work, frozen_accounts
from marketdata.models import Account, Instrument
from marketdata.services.ingest_bars import seal_instants
from tradingsite.models import Alert
from tradingsite.pipelines.supervision import reconcile_all, sweep

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])


def long_ago() -> None:
    """Let every book look as if it had not moved for a minute."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE execution_book SET moved_at = clock_timestamp() - interval '1 minute'"
        )


def test_frozen_when_an_idle_account_gets_its_first_seal_is_not(sample_desk):
    stream, account, _ = sample_desk()
    long_ago()

    seal_instants(stream_id=stream.pk, instants=[(stream.sealed_to + timedelta(days=4), 4)])

    assert accounts_with_work() == [account.pk]
    assert frozen_accounts(5) == []
    assert frozen_accounts(0) == [account.pk]
    sweep()


def test_reconcile_when_one_account_cannot_be_asked_asks_the_others(sample_desk):
    stream, account, _ = sample_desk()
    broken = Account.objects.create(name="broken", venue="nowhere", stream=stream)
    Book.objects.create(
        account=broken,
        cash=1,
        peak_equity=1,
        settled_to=stream.sealed_to,
        decided_to=stream.sealed_to,
    )
    instrument = Instrument.objects.first()
    assert instrument is not None
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "INSERT INTO execution_order (decision_id, leg, issue_no, account_id, instrument_id,"
            " client_order_id, mode, order_type, side, quantity, filled_quantity, reserved,"
            " reduce_only, state, reason, decided_at) VALUES (1, 0, 0, %s, %s, 'PX', 'paper',"
            " 'market', 1, 1, 0, 0, false, 'open', '', now())",
            (broken.pk, instrument.pk),
        )
        cursor.execute("SET session_replication_role = DEFAULT")

    reconcile_all()

    opened = Alert.objects.filter(cleared_at=None).values_list("kind", "object")
    assert list(opened) == [("reconcile_failed", "broken")]
    assert account.name not in dict(opened).values()
