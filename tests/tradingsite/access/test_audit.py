"""The audit chain: written with what happened, unbroken, found out when edited."""

import threading
from decimal import Decimal

import pytest
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from domain.bus import publish
from domain.events import Audited, BookMoved, OrderPlaced
from tradingsite.models import Audit

# RELIABILITY B13, on the real table.
BROKEN_LINKS = """
    SELECT seq FROM (
        SELECT seq, hash, body, prev, lag(hash) OVER w lh, lag(seq) OVER w ls
        FROM tradingsite_audit WINDOW w AS (PARTITION BY shard ORDER BY seq)) s
    WHERE hash <> encode(sha256(convert_to(prev || body, 'UTF8')), 'hex')
       OR prev <> coalesce(lh, repeat('0', 64)) OR seq <> coalesce(ls, 0) + 1
"""


def placed(shard: int, subject: str, **detail: object) -> OrderPlaced:
    """Return an order's event."""
    return OrderPlaced(shard, actor="bot ä", action="order", subject=subject, detail=dict(detail))


def broken_links() -> list[tuple[int]]:
    """Return what the invariant finds."""
    with connection.cursor() as cursor:
        cursor.execute(BROKEN_LINKS)
        return cursor.fetchall()


def test_chain_when_published_in_batches_is_unbroken_per_shard(db: None) -> None:
    publish(placed(1, "a", quantity=Decimal("1.50")), placed(2, "b"), placed(1, "c"))
    publish(placed(1, "d"), BookMoved(1, version=3, topics=()), placed(0, "e"))
    rows = Audit.objects.order_by("shard", "seq").values_list("shard", "seq", "subject")
    assert list(rows) == [(0, 1, "e"), (1, 1, "a"), (1, 2, "c"), (1, 3, "d"), (2, 1, "b")]
    assert broken_links() == []


def test_body_when_written_is_canonical_json_of_the_fact(db: None) -> None:
    publish(placed(1, "a", quantity=Decimal("1E+2")))
    assert Audit.objects.get().body == (
        '{"action":"order","actor":"bot \\u00e4","detail":{"quantity":"100"},'
        '"event":"OrderPlaced","seq":1,"shard":1,"subject":"a"}'
    )


def test_batch_of_one_shard_costs_one_look_and_one_insert(db: None) -> None:
    events = [placed(1, str(number)) for number in range(50)]
    with CaptureQueriesContext(connection) as queries:
        publish(*events)
    assert len(queries) == 2


def test_fact_when_rolled_back_leaves_no_row(db: None) -> None:
    def work() -> None:
        with transaction.atomic():
            publish(placed(1, "a"))
            raise LookupError

    with pytest.raises(LookupError):
        work()
    assert not Audit.objects.exists()


def test_publish_when_fact_cannot_be_written_fails_the_publisher(db: None) -> None:
    with pytest.raises(TypeError, match="cannot be audited"):
        publish(placed(1, "a", thing=object()))


def test_subject_when_too_long_or_odd_is_cut_in_the_column_and_whole_in_the_body(
    db: None,
) -> None:
    publish(placed(1, "x\0" * 300))
    row = Audit.objects.get()
    assert row.subject == "x" * 160
    assert row.body.count("x\\u0000") == 300
    assert broken_links() == []


@pytest.mark.parametrize("column", ["body", "hash", "prev"])
def test_row_when_edited_behind_our_back_is_found(db: None, column: str) -> None:
    publish(placed(1, "a"), placed(1, "b"), placed(1, "c"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tradingsite_audit DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE tradingsite_audit SET {column} = repeat('1', 64) WHERE seq = 2")
        cursor.execute("ALTER TABLE tradingsite_audit ENABLE TRIGGER USER")
    assert broken_links()


def test_row_when_removed_behind_our_back_is_found(db: None) -> None:
    publish(placed(1, "a"), placed(1, "b"), placed(1, "c"))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE tradingsite_audit DISABLE TRIGGER USER")
        cursor.execute("DELETE FROM tradingsite_audit WHERE seq = 2")
        cursor.execute("ALTER TABLE tradingsite_audit ENABLE TRIGGER USER")
    assert broken_links() == [(3,)]


def test_two_publishers_of_one_shard_follow_each_other(transactional_db: None) -> None:

    begun, errors = threading.Barrier(4), []

    def work(name: str) -> None:
        try:
            begun.wait()
            for number in range(10):
                with transaction.atomic():
                    publish(placed(7, f"{name}{number}"))
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert Audit.objects.filter(shard=7).count() == 40
    assert broken_links() == []


def test_every_event_that_is_audited_is_named(db: None) -> None:
    publish(Audited(0, "a", "b", "c", {}))
    assert '"event":"Audited"' in Audit.objects.get().body
