"""What the database itself refuses, whoever asks."""

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from marketdata.models import Bar
from mlweights.models import WeightVersion
from tests.execution.small_desk import IN

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

APPEND_ONLY = (
    "execution_fill", "execution_ledgertxn", "execution_ledgerentry", "execution_orderevent",
    "execution_equitypoint", "execution_paperexecution", "risk_decision", "strategies_signal",
    "strategies_hold", "tradingsite_audit", "marketdata_seal",
)  # fmt: skip


def run(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def refused(statement: str, why: str = "", kind: type[DatabaseError] = DatabaseError) -> None:
    with pytest.raises(kind, match=why):
        run(statement)


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_facts_when_changed_or_deleted_are_refused(small_desk, table):
    small_desk.bought(1, {"ACME": IN})
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone()[0] > 0
    refused(f"UPDATE {table} SET id = id", "Cannot update or delete")
    refused(f"DELETE FROM {table}", "Cannot (update or )?delete")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("filled_quantity = filled_quantity - 1", "never shrinks"),
        ("filled_quantity = quantity + 1", "order_numbers"),
        ("filled_quantity = 'NaN'", "order_numbers"),
        ("quantity = quantity + 1", "the wish never changes"),
        ("side = -side", "the wish never changes"),
        ("client_order_id = 'X'", "the wish never changes"),
        ("reserved = -1", "order_numbers"),
    ],
)
def test_order_when_bent_is_refused(small_desk, change, why):
    small_desk.bought(1, {"ACME": IN})
    refused(f"UPDATE execution_order SET {change}", why)


def test_order_when_deleted_is_refused(small_desk):
    small_desk.place(1, {"ACME": IN})
    refused("DELETE FROM execution_order", "Cannot delete")


def test_order_when_made_twice_for_one_wish_is_refused(small_desk):
    small_desk.place(1, {"ACME": IN})
    for change in ('{"id": 999}', '{"id": 999, "issue_no": 1}'):
        refused(
            "INSERT INTO execution_order SELECT (jsonb_populate_record(o,"
            f" '{change}')).* FROM execution_order o",
            "order_key|order_client_id",
            IntegrityError,
        )


def test_ledger_when_unbalanced_is_refused_at_commit(small_desk):
    entry = (
        "INSERT INTO execution_ledgerentry (txn_id, account_id, book, asset, amount)"
        " SELECT id, account_id, 'cash', 'USD', {} FROM execution_ledgertxn"
    )
    refused(entry.format(5), "is not balanced")
    refused(entry.format("'NaN'"), "ledger_amount")
    run(entry.format(5) + ";" + entry.format(-5))  # both sides: taken
    small_desk.book()


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1"])
def test_bar_when_not_a_bar_is_refused(small_desk, column, value):
    refused(f"UPDATE marketdata_bar SET {column} = '{value}'", "bar_", IntegrityError)
    assert Bar.objects.count() == 12


def test_weight_version_when_changed_doubled_or_deleted_is_refused(small_desk):
    table = "mlweights_weightversion"
    assert WeightVersion.objects.filter(active=True).count() == 1
    refused(f"UPDATE {table} SET buy_threshold = 1", "read-only|Cannot update|immutable")
    refused(f"DELETE FROM {table}", "Cannot (update or )?delete")
    refused(f"UPDATE {table} SET valid_from = NULL", "active_weight_version_is_valid")
    refused(
        f"INSERT INTO {table} SELECT (jsonb_populate_record(v, "
        f'\'{{"id": 999, "label": "x"}}\')).* FROM {table} v',
        "one_active_weight_version",
        IntegrityError,
    )


def test_position_and_cash_when_not_numbers_are_refused(small_desk):
    small_desk.bought(1, {"ACME": IN})
    refused("UPDATE execution_position SET quantity = 'NaN'", "position_quantity")
    assert small_desk.book().cash < Decimal(100_000)
