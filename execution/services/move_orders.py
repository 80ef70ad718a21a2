"""Change the state of orders: one conditional update each, one event per edge."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection


@dataclass(frozen=True, slots=True)
class OrderMove:
    """One edge of one order, with what changes along it."""

    order_id: int
    from_state: str
    to_state: str
    detail: str = ""
    filled_quantity: Decimal | None = None
    reserved: Decimal | None = None


def move_orders(moves: Sequence[OrderMove]) -> list[int]:
    """Make the moves whose order is still in `from_state`; return the ids that moved.

    Runs inside the caller's transaction, after its locks. Each edge writes its event.
    """
    if not moves:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH m AS (SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[],"
            "  %s::numeric[], %s::numeric[]) AS m(id, from_state, to_state, detail, filled, kept)),"
            " moved AS ("
            "  UPDATE execution_order o SET state = m.to_state, state_at = clock_timestamp(),"
            "   filled_quantity = coalesce(m.filled, o.filled_quantity),"
            "   reserved = CASE WHEN m.to_state IN ('filled', 'canceled', 'rejected') THEN 0"
            "                   ELSE coalesce(m.kept, o.reserved) END,"
            "   reason = CASE WHEN m.to_state IN ('canceled', 'rejected') THEN m.detail"
            "                 ELSE o.reason END"
            "  FROM m WHERE o.id = m.id AND o.state = m.from_state"
            "  RETURNING o.id, m.from_state, m.to_state, m.detail)"
            " INSERT INTO execution_orderevent (order_id, seq, from_state, to_state, detail)"
            " SELECT v.id, 1 + coalesce((SELECT max(seq) FROM execution_orderevent e"
            "   WHERE e.order_id = v.id), 0), v.from_state, v.to_state, v.detail"
            " FROM moved v ORDER BY v.id RETURNING order_id",
            (
                [one.order_id for one in moves],
                [one.from_state for one in moves],
                [one.to_state for one in moves],
                [one.detail for one in moves],
                [one.filled_quantity for one in moves],
                [one.reserved for one in moves],
            ),
        )
        return [row[0] for row in cursor.fetchall()]


def touch_book(account_id: int) -> None:
    """Count the book's version up: pages look again, and the sweeper sees movement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE execution_book SET version = version + 1, moved_at = clock_timestamp()"
            " WHERE account_id = %s",
            (account_id,),
        )
