"""What the walk and the upper floor ask about books, orders and positions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from marketdata.queries import SealedInstant

ALIVE = "o.state NOT IN ('filled', 'canceled', 'rejected')"


@dataclass(frozen=True, slots=True)
class Step:
    """What one account needs next; `version` is the book's when this was asked."""

    kind: str  # dispatch, settle, decide
    instant: SealedInstant | None
    decided_to: datetime
    sealed_to: datetime


NEXT_STEP = f"""
SELECT b.decided_to, b.settled_to, st.sealed_to, n.closed_at, n.lag_ms,
       w.due, w.unsent, w.working,
       n.closed_at IS NOT NULL AND EXISTS (
           SELECT 1 FROM execution_position p JOIN marketdata_split s
             ON s.instrument_id = p.instrument_id
           WHERE p.account_id = a.id AND p.quantity <> 0
             AND s.effective_at >= b.settled_to AND s.effective_at < n.closed_at)
FROM marketdata_account a
JOIN marketdata_stream st ON st.id = a.stream_id
JOIN execution_book b ON b.account_id = a.id
LEFT JOIN LATERAL (
    SELECT closed_at, lag_ms FROM marketdata_seal
    WHERE stream_id = a.stream_id AND closed_at > b.decided_to AND closed_at <= st.sealed_to
    ORDER BY closed_at LIMIT 1) n ON true
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE o.state IN ('ready', 'sending', 'unknown')) AS unsent,
           count(*) FILTER (WHERE o.state IN ('open', 'partial')) AS working,
           count(*) FILTER (WHERE EXISTS (
               SELECT 1 FROM execution_outbox x WHERE x.order_id = o.id AND NOT x.done
                 AND NOT x.dead AND (x.lease_until IS NULL OR x.lease_until < clock_timestamp())
           )) AS due
    FROM execution_order o WHERE o.account_id = a.id AND {ALIVE}) w
WHERE a.id = %s
"""


def next_step(account_id: int) -> Step | None:
    """Return what the account needs next, None when nothing does: the program counter."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_STEP, (account_id,))
        row = cursor.fetchone()
    if row is None:
        return None
    decided_to, settled_to, sealed_to, closed_at, lag_ms, due, unsent, working, split_due = row
    instant = None if closed_at is None else SealedInstant(closed_at, lag_ms)
    if due:
        return Step("dispatch", instant, decided_to, sealed_to)
    if unsent or instant is None:  # leased by somebody else, or no new instant
        return None
    if (working or split_due) and settled_to < instant.closed_at:
        return Step("settle", instant, decided_to, sealed_to)
    return Step("decide", instant, decided_to, sealed_to)


@dataclass(frozen=True, slots=True)
class LockedBook:
    """The book row as locked by the current transaction."""

    cash: Decimal
    peak_equity: Decimal
    settled_to: datetime
    decided_to: datetime
    execution_cursor: int
    version: int


def lock_book(account_id: int) -> LockedBook:
    """Return the account's book, locked until the transaction ends: first lock of every step."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT cash, peak_equity, settled_to, decided_to, execution_cursor, version"
            " FROM execution_book WHERE account_id = %s FOR UPDATE",
            (account_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"account {account_id} has no book")
    return LockedBook(*row)


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """One open position; `bot` is '' for a person's."""

    instrument_id: int
    bot: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class AliveOrder:
    """An order that is not done."""

    instrument_id: int
    bot: str
    state: str
    requested: Decimal
    reserved: Decimal
    reduce_only: bool


HOLDINGS = f"""
SELECT 'position', p.instrument_id, coalesce(t.name, ''), '', p.quantity, 0, false, i.venue,
       i.symbol, 0
FROM execution_position p JOIN marketdata_instrument i ON i.id = p.instrument_id
LEFT JOIN strategies_bot t ON t.id = p.bot_id
WHERE p.account_id = %s AND p.quantity <> 0
UNION ALL
SELECT 'order', o.instrument_id, coalesce(t.name, ''), o.state, d.requested, o.reserved,
       o.reduce_only, '', '', o.id
FROM execution_order o JOIN risk_decision d ON d.id = o.decision_id
LEFT JOIN strategies_bot t ON t.id = o.bot_id
WHERE o.account_id = %s AND {ALIVE}
ORDER BY 8, 9, 3, 10
"""


def holdings(account_id: int) -> tuple[list[HeldPosition], list[AliveOrder]]:
    """Return the open positions in natural order, and the unfinished orders, oldest first."""
    positions, orders = [], []
    with connection.cursor() as cursor:
        cursor.execute(HOLDINGS, (account_id, account_id))
        for row in cursor.fetchall():
            if row[0] == "position":
                positions.append(HeldPosition(row[1], row[2], row[4]))
            else:
                orders.append(AliveOrder(*row[1:7]))
    return positions, orders


def day_start_equity(account_id: int, closed_at: datetime) -> Decimal | None:
    """Return the equity the UTC day of `closed_at` began with; midnight ends the day before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT equity FROM execution_equitypoint WHERE account_id = %s AND closed_at <= %s"
            " ORDER BY closed_at DESC LIMIT 1",
            (account_id, day_of(closed_at)),
        )
        row = cursor.fetchone()
    return None if row is None else row[0]


def day_of(closed_at: datetime) -> datetime:
    """Return the start of the UTC day that `closed_at` belongs to; midnight ends a day."""
    just_before = closed_at - timedelta(microseconds=1)
    return just_before.replace(hour=0, minute=0, second=0, microsecond=0)


FINGERPRINT = """
WITH bot AS (SELECT * FROM strategies_bot WHERE account_id = %(account)s),
watched AS (
    SELECT i.* FROM strategies_bot_instruments i JOIN bot b ON b.id = i.bot_id
),
seen AS (
    SELECT instrument_id FROM watched UNION
    SELECT instrument_id FROM execution_position WHERE account_id = %(account)s AND quantity <> 0
)
SELECT md5(concat_ws('|',
    (SELECT a::text FROM marketdata_account a WHERE a.id = %(account)s),
    (SELECT s.timeframes::text FROM marketdata_stream s JOIN marketdata_account a
        ON a.stream_id = s.id WHERE a.id = %(account)s),
    (SELECT string_agg(b::text, ',' ORDER BY b.id) FROM bot b),
    (SELECT string_agg(w::text, ',' ORDER BY w.id) FROM watched w),
    (SELECT string_agg(i::text, ',' ORDER BY i.id) FROM marketdata_instrument i
        WHERE i.id IN (SELECT instrument_id FROM seen)),
    (SELECT string_agg(s::text, ',' ORDER BY s.id) FROM marketdata_split s
        WHERE s.instrument_id IN (SELECT instrument_id FROM seen)),
    (SELECT string_agg(v.id || '@' || v.valid_from, ',' ORDER BY v.id)
        FROM mlweights_weightversion v WHERE v.valid_from IS NOT NULL
        AND (v.instrument_id IS NULL OR v.instrument_id IN (SELECT instrument_id FROM seen))),
    (SELECT string_agg(r.id::text, ',' ORDER BY r.id) FROM mlweights_regimemodel r
        WHERE r.instrument_id IN (SELECT instrument_id FROM seen))))
"""


def desk_fingerprint(account_id: int) -> str:
    """Return a hash that moves with anything an account's decisions are configured by."""
    return str(_one(FINGERPRINT, {"account": account_id}))


def instruments_held(account_id: int) -> list[int]:
    """Return the instruments the account has a position in."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT instrument_id FROM execution_position"
            " WHERE account_id = %s AND quantity <> 0 ORDER BY 1",
            (account_id,),
        )
        return [row[0] for row in cursor.fetchall()]


BEHIND = """
SELECT a.id FROM marketdata_account a
JOIN execution_book b ON b.account_id = a.id
JOIN marketdata_stream st ON st.id = a.stream_id
WHERE b.decided_to < st.sealed_to OR EXISTS (
    SELECT 1 FROM execution_order o JOIN execution_outbox x ON x.order_id = o.id
    WHERE o.account_id = a.id AND NOT x.done AND NOT x.dead
      AND (x.lease_until IS NULL OR x.lease_until < clock_timestamp()))
ORDER BY a.id
"""


def accounts_with_work() -> list[int]:
    """Return the accounts that have an instant to decide or an order to send."""
    with connection.cursor() as cursor:
        cursor.execute(BEHIND)
        return [row[0] for row in cursor.fetchall()]


def accounts_behind() -> list[int]:
    """Return the accounts that have not decided everything their stream has sealed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.account_id FROM execution_book b"
            " JOIN marketdata_account a ON a.id = b.account_id"
            " JOIN marketdata_stream st ON st.id = a.stream_id"
            " WHERE b.decided_to < st.sealed_to ORDER BY 1"
        )
        return [row[0] for row in cursor.fetchall()]


def accounts_to_nudge(stream_id: int) -> list[int]:
    """Return the stream's accounts that were idle before its newest seal: others look anyway."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.id FROM marketdata_account a JOIN execution_book b ON b.account_id = a.id"
            " WHERE a.stream_id = %s AND b.decided_to >= coalesce((SELECT closed_at"
            "  FROM marketdata_seal WHERE stream_id = %s ORDER BY closed_at DESC"
            "  OFFSET 1 LIMIT 1), '-infinity') ORDER BY a.id",
            (stream_id, stream_id),
        )
        return [row[0] for row in cursor.fetchall()]


def frozen_accounts(seconds: int) -> list[int]:
    """Return the accounts with work whose book has not moved for so long: a holder may hang."""
    due = accounts_with_work()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT b.account_id FROM execution_book b"
            " JOIN marketdata_account a ON a.id = b.account_id"
            " WHERE b.account_id = ANY(%(due)s)"
            " AND b.moved_at < clock_timestamp() - make_interval(secs => %(seconds)s)"
            # What was sealed just now has not waited yet, however long the book was idle.
            " AND NOT EXISTS (SELECT 1 FROM marketdata_seal s WHERE s.stream_id = a.stream_id"
            "  AND s.closed_at > b.decided_to"
            "  AND s.sealed_at >= clock_timestamp() - make_interval(secs => %(seconds)s)"
            "  AND NOT EXISTS (SELECT 1 FROM marketdata_seal e WHERE e.stream_id = a.stream_id"
            "   AND e.closed_at > b.decided_to AND e.closed_at < s.closed_at)) ORDER BY 1",
            {"due": due, "seconds": seconds},
        )
        return [row[0] for row in cursor.fetchall()]


def decided_to(account_id: int) -> datetime:
    """Return the last instant the account has decided."""
    return _one("SELECT decided_to FROM execution_book WHERE account_id = %s", (account_id,))


def _one(statement: str, parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]


def instruments_in_use(bot_id: int) -> frozenset[int]:
    """Return the instruments the bot has a position or an unfinished order in."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT instrument_id FROM execution_position WHERE bot_id = %s AND quantity <> 0"
            f" UNION SELECT instrument_id FROM execution_order o WHERE o.bot_id = %s AND {ALIVE}",
            (bot_id, bot_id),
        )
        return frozenset(row[0] for row in cursor.fetchall())
