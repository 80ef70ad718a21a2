"""Say to the venue what the outbox holds: lease, mark sending, call, record."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from domain.bus import publish
from domain.events import BookMoved
from domain.orders import (
    CANCELED,
    OPEN,
    READY,
    REJECTED,
    SENDING,
    UNKNOWN,
    UNSENT,
    OrderRequest,
    VenueReply,
)
from execution.brokers.base import Broker
from execution.models import Order
from execution.queries import lock_book
from execution.services.connect_broker import broker_of
from execution.services.move_orders import OrderMove, move_orders, touch_book
from execution.services.raise_incident import raise_incident
from marketdata.models import Account
from marketdata.queries import feed_trouble
from risk.queries import control_for_share

BATCH = 10
# A frozen dispatcher stalls its account for this long, so it is short where nothing leaves
# the process.
LEASE_SECONDS = 2
# With less of the lease left nothing is sent: somebody else may take the order over meanwhile.
LEASE_TO_SPARE = 1.0
MAX_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Leased:
    """One outbox row in our hands until the lease ends; `epoch` proves it."""

    outbox_id: int
    epoch: int
    attempts: int
    order_id: int
    client_order_id: str
    instrument_id: int
    side: int
    quantity: Decimal
    decided_at: datetime
    reduce_only: bool
    state: str

    def request(self) -> OrderRequest:
        """Return what is said to the venue."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            instrument_id=self.instrument_id,
            side=self.side,
            quantity=self.quantity,
            decided_at=self.decided_at,
            reduce_only=self.reduce_only,
        )


def submit_orders(account: Account) -> int:
    """Send at most ten due orders of one account; return how many were sent or canceled."""
    broker = broker_of(account)
    send_until = time.monotonic() + LEASE_SECONDS - LEASE_TO_SPARE
    leased = _lease(account.pk)
    if not leased:
        return 0
    _finish([one for one in leased if one.state not in UNSENT])  # an execution settled it first
    _resolve_unknown(
        account, broker, [one for one in leased if one.state in (SENDING, UNKNOWN)], send_until
    )
    fresh = _mark_sending(account, [one for one in leased if one.state == READY])
    _send(account, broker, fresh, send_until)
    return len(leased)


def _send(account: Account, broker: Broker, marked: Sequence[Leased], send_until: float) -> None:
    """Call the venue with no transaction open; too late, the next lease asks and sends again."""
    if marked and time.monotonic() < send_until:
        _record_replies(account, marked, broker.submit([one.request() for one in marked]))


def _lease(account_id: int) -> list[Leased]:
    """Take the due rows: a higher epoch fences off whoever held them before."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "WITH due AS (SELECT x.id FROM execution_outbox x"
            "  JOIN execution_order o ON o.id = x.order_id"
            "  WHERE o.account_id = %s AND x.action = 'submit' AND NOT x.done AND NOT x.dead"
            "   AND (x.lease_until IS NULL OR x.lease_until < clock_timestamp())"
            "  ORDER BY x.id LIMIT %s FOR UPDATE OF x SKIP LOCKED),"
            " taken AS (UPDATE execution_outbox x SET epoch = x.epoch + 1,"
            "  attempts = x.attempts + 1,"
            "  lease_until = clock_timestamp() + make_interval(secs => %s)"
            "  FROM due WHERE x.id = due.id RETURNING x.id, x.epoch, x.attempts, x.order_id)"
            " SELECT t.id, t.epoch, t.attempts, o.id, o.client_order_id, o.instrument_id, o.side,"
            "  o.quantity, o.decided_at, o.reduce_only, o.state"
            " FROM taken t JOIN execution_order o ON o.id = t.order_id ORDER BY t.id",
            (account_id, BATCH, LEASE_SECONDS),
        )
        return [Leased(*row) for row in cursor.fetchall()]


def _mark_sending(account: Account, leased: Sequence[Leased]) -> list[Leased]:
    """Commit `sending` before the first byte leaves; entries that may not leave are canceled."""
    if not leased:
        return []
    with transaction.atomic():
        refusal = _no_entries(account)
        held = _still_ours(leased)
        blocked = [one for one in held if refusal and not one.reduce_only]
        free = [one for one in held if one not in blocked]
        moved = set(move_orders([OrderMove(one.order_id, READY, SENDING) for one in free]))
        canceled = move_orders(
            [
                OrderMove(one.order_id, READY, CANCELED, f"{refusal} before sending")
                for one in blocked
            ]
        )
        _finish([one for one in blocked if one.order_id in canceled])
    if canceled:
        touch_book(account.pk)  # apart: the book's lock comes before an order's, never after
    return [one for one in free if one.order_id in moved]


def _no_entries(account: Account) -> str:
    """Return why entries of the account must not leave now, '' when they may.

    Its control row stays locked against a halt until the transaction ends.
    """
    if control_for_share(account.pk).state != "active":
        return "halted"
    return feed_trouble(account.stream_id)


def _resolve_unknown(
    account: Account, broker: Broker, leased: Sequence[Leased], send_until: float
) -> None:
    """Settle orders whose sender died: ask first; a known one is adopted, else sent again.

    Sending again is safe only where the venue deduplicates client ids.
    """
    if not leased:
        return
    with transaction.atomic():
        control_for_share(account.pk)
        held = _still_ours(leased)
        move_orders(
            [
                OrderMove(one.order_id, SENDING, UNKNOWN, "its sender disappeared")
                for one in held
                if one.state == SENDING
            ]
        )
    replies = {one.client_order_id: one for one in broker.query([o.client_order_id for o in held])}
    known = [one for one in held if replies[one.client_order_id].state != "not_found"]
    _record_replies(
        account, known, [replies[one.client_order_id] for one in known], from_state=UNKNOWN
    )
    lost = [one for one in held if one not in known]
    if lost and broker.capabilities.dedupes_client_id:
        _send_again(account, broker, lost, send_until)


def _send_again(
    account: Account, broker: Broker, lost: Sequence[Leased], send_until: float
) -> None:
    with transaction.atomic():
        refusal = _no_entries(account)
        held = _still_ours(lost)
        blocked = [one for one in held if refusal and not one.reduce_only]
        free = [one for one in held if one not in blocked]
        again = set(move_orders([OrderMove(one.order_id, UNKNOWN, SENDING) for one in free]))
        canceled = move_orders(
            [
                OrderMove(one.order_id, UNKNOWN, CANCELED, f"{refusal}; the venue never had it")
                for one in blocked
            ]
        )
        _finish([one for one in blocked if one.order_id in canceled])
    _send(account, broker, [one for one in free if one.order_id in again], send_until)


def _record_replies(
    account: Account,
    leased: Sequence[Leased],
    replies: Sequence[VenueReply],
    from_state: str = SENDING,
) -> None:
    """Write what the venue said, only where the lease is still ours."""
    if not leased:
        return
    states = {reply.client_order_id: reply for reply in replies}
    with transaction.atomic():
        book = lock_book(account.pk)
        held = _still_ours(leased)
        moves = []
        for one in held:
            reply = states[one.client_order_id]
            # A fill is booked from the execution, never from the answer to a submit.
            to_state = OPEN if reply.state in ("open", "filled") else reply.state
            if to_state in (OPEN, CANCELED, REJECTED):
                moves.append(OrderMove(one.order_id, from_state, to_state, reply.reason))
        moved = set(move_orders(moves))
        _finish([one for one in held if one.order_id in moved])
        _bury(account, [one for one in held if one.order_id not in moved])
        touch_book(account.pk)
        publish(BookMoved(shard=account.pk, version=book.version + 1, topics=("orders",)))


def _still_ours(leased: Sequence[Leased]) -> list[Leased]:
    """Return the rows whose lease nobody took over, locked."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT x.id FROM execution_order o JOIN execution_outbox x ON x.order_id = o.id"
            " JOIN unnest(%s::bigint[], %s::bigint[]) AS m(id, epoch)"
            "  ON m.id = x.id AND m.epoch = x.epoch"
            " WHERE NOT x.done ORDER BY o.id FOR UPDATE OF o, x",
            ([one.outbox_id for one in leased], [one.epoch for one in leased]),
        )
        ours = {row[0] for row in cursor.fetchall()}
    return [one for one in leased if one.outbox_id in ours]


def _finish(leased: Sequence[Leased]) -> None:
    _update_outbox("done = true, lease_until = NULL", leased)


def _bury(account: Account, leased: Sequence[Leased]) -> None:
    """Give up on rows that failed too often; the reservation stays until a person decides."""
    hopeless = [one for one in leased if one.attempts >= MAX_ATTEMPTS]
    _update_outbox("dead = true, reason = 'no answer after many attempts'", hopeless)
    for one in hopeless:
        incident_id = raise_incident(
            account_id=account.pk,
            kind="order_without_answer",
            subject=one.client_order_id,
            detail={"attempts": one.attempts, "venue": account.venue},
        )
        Order.objects.filter(pk=one.order_id).update(incident_id=incident_id)


def _update_outbox(assignment: str, leased: Sequence[Leased]) -> None:
    if leased:
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE execution_outbox SET {assignment} WHERE id = ANY(%s)",
                ([one.outbox_id for one in leased],),
            )
