"""Settle one account through one instant: splits first, then every fill the venue reports."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import BookMoved, FillBooked, SplitApplied
from domain.instruments import InstrumentTerms
from domain.money import CONTEXT, ZERO, notional, to_price, to_ticks
from domain.orders import (
    CANCELED,
    FILLED,
    PARTIAL,
    READY,
    REJECTED,
    UNKNOWN,
    Execution,
    side_word,
)
from domain.portfolio import PositionState
from execution.accounting import SplitEffect, apply_fill, split_effect
from execution.brokers.base import Broker
from execution.queries import LockedBook, lock_book
from execution.services.book_ledger import Booking, Entry, book_ledger
from execution.services.connect_broker import broker_of
from execution.services.move_orders import OrderMove, move_orders
from execution.services.raise_incident import raise_incident
from marketdata.models import Account, Split
from marketdata.queries import instrument_terms, last_closes, splits_between
from marketdata.services.insert_rows import insert_rows
from risk.services.kill_switch import engage_kill_switch

FILL_COLUMNS = (
    ("account_id", "bigint"),
    ("execution_id", "text"),
    ("order_id", "bigint"),
    ("quantity", "numeric"),
    ("price", "numeric"),
    ("fee", "numeric"),
    ("executed_at", "timestamptz"),
)
TOO_MUCH = 10**15
PositionKey = tuple[int, int | None]


class UnexpectedFillError(PlumblineError):
    """The venue reports a fill no order of ours explains."""

    code = "unexpected_fill"

    def __init__(self, execution: Execution, why: str) -> None:
        super().__init__(f"execution {execution.execution_id}: {why}")
        self.execution = execution
        self.why = why


@dataclass(slots=True)
class _OpenOrder:
    id: int
    client_order_id: str
    instrument_id: int
    bot_id: int | None
    bot: str
    side: int
    quantity: Decimal
    filled: Decimal
    reserved: Decimal
    state: str
    decided_at: datetime


@dataclass(slots=True)
class _Settlement:
    """What one transaction will write, gathered while walking splits and fills."""

    account: Account
    through: datetime
    cash: Decimal
    cursor: int
    positions: dict[PositionKey, PositionState]
    fees: dict[PositionKey, Decimal]
    terms: Mapping[int, InstrumentTerms]
    bookings: list[Booking] = field(default_factory=list)
    fills: list[tuple[object, ...]] = field(default_factory=list)
    moves: list[OrderMove] = field(default_factory=list)
    events: list[FillBooked | SplitApplied] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class BookedFill:
    """A fill just booked, and the instant its order was decided at."""

    execution_id: str
    decided_at: datetime


def book_fills(account: Account, through: datetime) -> list[BookedFill]:
    """Settle the account through exactly `through`; return the fills booked.

    The venue is asked with no transaction open. All fills commit with `settled_to`; a fill that
    cannot be booked is set aside as an incident, its account halted, and the rest go on.
    """
    broker = broker_of(account)
    cursor, settled_to = _cursor(account.pk)
    due = _splits_due(account, settled_to, through)
    _cancel_at_venue(account.pk, broker, due)
    executions = broker.executions(cursor=cursor, through=through)
    quarantined: set[str] = set()
    while True:
        try:
            return _book(account, through, due, executions, quarantined)
        except UnexpectedFillError as error:
            # The whole transaction is undone and made again without this one.
            quarantined.add(error.execution.execution_id)
            _quarantine(account, error)


def _book(
    account: Account,
    through: datetime,
    due: Sequence[Split],
    executions: Sequence[Execution],
    quarantined: set[str],
) -> list[BookedFill]:
    with transaction.atomic():
        book = lock_book(account.pk)
        fresh = [one for one in executions if one.cursor > book.execution_cursor]
        orders = _orders_of(account.pk, fresh)
        known = _booked_before(account.pk, orders.values())
        touched = {split.instrument_id for split in due}
        touched |= {order.instrument_id for order in orders.values()}
        work = _begin(account, through, book, touched)
        if book.settled_to < through:
            for split in due:
                _apply_split(work, split, executed=orders)
        booked: list[BookedFill] = []
        for execution in fresh:
            work.cursor = max(work.cursor, execution.cursor)
            if execution.execution_id not in known | quarantined:
                known.add(execution.execution_id)
                _apply_execution(work, execution, orders)
                decided_at = orders[execution.client_order_id].decided_at
                booked.append(BookedFill(execution.execution_id, decided_at))
        _write(work)
        publish(*work.events, BookMoved(account.pk, book.version + 1, ("desk", "orders")))
    return booked


def _booked_before(account_id: int, orders: Iterable[_OpenOrder]) -> set[str]:
    """Return the executions of these orders that are fills already: a venue may repeat itself."""
    ids = [one.id for one in orders if one.filled]
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT execution_id FROM execution_fill WHERE account_id = %s AND order_id = ANY(%s)",
            (account_id, ids),
        )
        return {row[0] for row in cursor.fetchall()}


def _cursor(account_id: int) -> tuple[int, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT execution_cursor, settled_to FROM execution_book WHERE account_id = %s",
            (account_id,),
        )
        row = cursor.fetchone()
    return row[0], row[1]


def _splits_due(account: Account, settled_to: datetime, through: datetime) -> list[Split]:
    """Return the splits of what the account holds or has on order, not yet applied."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT instrument_id FROM execution_position WHERE account_id = %s AND quantity <> 0"
            " UNION SELECT instrument_id FROM execution_order"
            "  WHERE account_id = %s AND state IN ('open', 'partial') ORDER BY 1",
            (account.pk, account.pk),
        )
        ids = [row[0] for row in cursor.fetchall()]
    return splits_between(instrument_ids=ids, since=settled_to, before=through) if ids else []


def _cancel_at_venue(account_id: int, broker: Broker, due: Sequence[Split]) -> None:
    """A split cancels the instrument's orders decided before it, as exchanges do."""
    if due:
        doomed = [one.client_order_id for split in due for one in _working(account_id, split)]
        if doomed:
            broker.cancel(doomed)


def _working(account_id: int, split: Split) -> list[_OpenOrder]:
    return _orders(
        "o.account_id = %s AND o.state IN ('open', 'partial') AND o.instrument_id = %s"
        " AND o.decided_at <= %s",
        (account_id, split.instrument_id, split.effective_at),
    )


def _orders_of(account_id: int, executions: Sequence[Execution]) -> dict[str, _OpenOrder]:
    """Return the executions' orders by client id, locked."""
    if not executions:
        return {}
    ids = [one.client_order_id for one in executions]
    found = _orders("o.account_id = %s AND o.client_order_id = ANY(%s)", (account_id, ids))
    return {one.client_order_id: one for one in found}


def _orders(where: str, parameters: tuple[Any, ...]) -> list[_OpenOrder]:
    lock = "FOR UPDATE OF o" if connection.in_atomic_block else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.id, o.client_order_id, o.instrument_id, o.bot_id, coalesce(t.name, ''),"
            " o.side, o.quantity, o.filled_quantity, o.reserved, o.state, o.decided_at"
            " FROM execution_order o LEFT JOIN strategies_bot t ON t.id = o.bot_id"
            f" WHERE {where} ORDER BY o.id {lock}",
            parameters,
        )
        return [_OpenOrder(*row) for row in cursor.fetchall()]


def _begin(
    account: Account,
    through: datetime,
    book: LockedBook,
    touched: Collection[int],
) -> _Settlement:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT instrument_id, bot_id, quantity, cost, realised, fees"
            " FROM execution_position WHERE account_id = %s",
            (account.pk,),
        )
        rows = cursor.fetchall()
    return _Settlement(
        account=account,
        through=through,
        cash=book.cash,
        cursor=book.execution_cursor,
        positions={(row[0], row[1]): PositionState(*row[2:5]) for row in rows},
        fees={(row[0], row[1]): row[5] for row in rows},
        terms=instrument_terms(sorted(touched)) if touched else {},
    )


def _apply_split(work: _Settlement, split: Split, *, executed: Mapping[str, _OpenOrder]) -> None:
    """Multiply every bot's holding, pay cash for fractions of a lot, cancel what worked."""
    terms = work.terms[split.instrument_id]
    price = _price_after(work, split, terms)
    for key in sorted(work.positions, key=lambda key: (key[0], key[1] or 0)):
        held = work.positions[key]
        if key[0] != split.instrument_id or not held.quantity:
            continue
        effect = split_effect(
            held.quantity,
            ratio=split.ratio,
            lot=terms.lot_size,
            price_after=price,
            multiplier=terms.multiplier,
        )
        work.cash += effect.cash
        work.positions[key] = PositionState(
            held.quantity + effect.quantity, held.cost - effect.cash, held.realised
        )
        ref = (
            f"split:{work.account.pk}:{terms.key}:{split.effective_at:%Y-%m-%dT%H:%M}:{key[1] or 0}"
        )
        work.bookings.append(_split_booking(work, ref, split, terms, key[1], effect))
        work.events.append(
            SplitApplied(
                shard=work.account.pk,
                actor="engine",
                action="split",
                subject=terms.key,
                detail={
                    "ratio": f"{split.ratio:f}",
                    "from": f"{held.quantity:f}",
                    "added": f"{effect.quantity:f}",
                    "cash": f"{effect.cash:f}",
                },
            )
        )
    work.moves += [
        OrderMove(one.id, one.state, CANCELED, "canceled by a split")
        for one in _working(work.account.pk, split)
        if one.client_order_id not in executed
    ]


def _price_after(work: _Settlement, split: Split, terms: InstrumentTerms) -> Decimal:
    """Return the last close before the split in new units: what a fraction of a lot is worth."""
    closes = last_closes(
        instrument_ids=[split.instrument_id],
        timeframes=work.account.stream.timeframes,
        as_of=split.effective_at,
    )
    last = closes.get(split.instrument_id)
    if last is None:
        return ZERO
    old = to_price(to_ticks(last.price, terms.tick_size), terms.tick_size)
    return CONTEXT.divide(old, split.ratio)


def _split_booking(
    work: _Settlement,
    ref: str,
    split: Split,
    terms: InstrumentTerms,
    bot_id: int | None,
    effect: SplitEffect,
) -> Booking:
    currency = work.account.currency
    return Booking(
        ref,
        split.effective_at,
        (
            Entry("position", terms.key, effect.quantity, split.instrument_id, bot_id),
            Entry("market", terms.key, -effect.quantity, split.instrument_id, bot_id),
            Entry("cash", currency, effect.cash),
            Entry("market", currency, -effect.cash),
        ),
    )


def _apply_execution(
    work: _Settlement, execution: Execution, orders: Mapping[str, _OpenOrder]
) -> None:
    """Move order, position and cash by one execution, or raise what makes it impossible."""
    order = orders.get(execution.client_order_id)
    if order is None:
        raise UnexpectedFillError(execution, "no order of this account has its client id")
    if not _is_possible(execution):
        raise UnexpectedFillError(execution, "its numbers are impossible")
    if order.state == READY:
        raise UnexpectedFillError(execution, "its order was never sent")
    if order.filled + execution.quantity > order.quantity:
        raise UnexpectedFillError(execution, "it fills more than was ordered")
    terms = work.terms[order.instrument_id]
    key = (order.instrument_id, order.bot_id)
    paid = order.side * notional(execution.price, execution.quantity, terms.multiplier)
    work.cash -= paid + execution.fee
    work.positions[key] = apply_fill(
        work.positions.get(key, PositionState()),
        side=order.side,
        quantity=execution.quantity,
        price=execution.price,
        multiplier=terms.multiplier,
    )
    work.fees[key] = work.fees.get(key, ZERO) + execution.fee
    work.bookings.append(_fill_booking(work, execution, order, terms, paid))
    work.fills.append(
        (
            work.account.pk,
            execution.execution_id,
            order.id,
            execution.quantity,
            execution.price,
            execution.fee,
            execution.executed_at,
        )
    )
    order.filled += execution.quantity
    if order.state == REJECTED:  # late evidence: the venue had it after all
        work.moves.append(OrderMove(order.id, REJECTED, UNKNOWN, "filled after it was rejected"))
        order.state = UNKNOWN
    state = FILLED if order.filled == order.quantity else PARTIAL
    work.moves.append(
        OrderMove(
            order.id,
            order.state,
            state,
            filled_quantity=order.filled,
            reserved=order.reserved if state == PARTIAL else ZERO,
        )
    )
    order.state = state
    work.events.append(
        FillBooked(
            shard=work.account.pk,
            actor=work.account.venue,
            action="fill",
            subject=execution.execution_id,
            detail={
                "instrument": terms.key,
                "side": side_word(order.side),
                "quantity": f"{execution.quantity:f}",
                "price": f"{execution.price:f}",
                "fee": f"{execution.fee:f}",
            },
        )
    )


def _is_possible(execution: Execution) -> bool:
    """Tell whether the columns can keep its numbers; NaN compares with nothing."""
    numbers = (execution.quantity, execution.price, execution.fee)
    return (
        all(number.is_finite() for number in numbers)
        and 0 < execution.quantity < TOO_MUCH
        and 0 < execution.price < TOO_MUCH
        and 0 <= execution.fee < TOO_MUCH
    )


def _fill_booking(
    work: _Settlement,
    execution: Execution,
    order: _OpenOrder,
    terms: InstrumentTerms,
    paid: Decimal,
) -> Booking:
    signed = order.side * execution.quantity
    currency, fee = work.account.currency, execution.fee
    return Booking(
        f"fill:{work.account.pk}:{execution.execution_id}",
        execution.executed_at,
        (
            Entry("position", terms.key, signed, order.instrument_id, order.bot_id),
            Entry("market", terms.key, -signed, order.instrument_id, order.bot_id),
            Entry("cash", currency, -paid - fee),
            Entry("market", currency, paid),
            Entry("fees", currency, fee),
        ),
    )


def _write(work: _Settlement) -> None:
    """Write it all in lock order: orders, fills, ledger, positions, then the book itself."""
    _move_in_order(work.moves)
    insert_rows(table="execution_fill", columns=FILL_COLUMNS, rows=work.fills)
    book_ledger(account_id=work.account.pk, bookings=work.bookings)
    touched = sorted(work.positions if work.bookings else (), key=lambda key: (key[0], key[1] or 0))
    insert_rows(
        table="execution_position",
        columns=(
            ("account_id", "bigint"),
            ("instrument_id", "bigint"),
            ("bot_id", "bigint"),
            ("quantity", "numeric"),
            ("cost", "numeric"),
            ("realised", "numeric"),
            ("fees", "numeric"),
        ),
        rows=[
            (
                work.account.pk,
                *key,
                work.positions[key].quantity,
                work.positions[key].cost,
                work.positions[key].realised,
                work.fees.get(key, ZERO),
            )
            for key in touched
        ],
        on_conflict="(account_id, instrument_id, bot_id) DO UPDATE SET"
        " quantity = excluded.quantity, cost = excluded.cost, realised = excluded.realised,"
        " fees = excluded.fees",
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE execution_book SET cash = %s, execution_cursor = %s,"
            " settled_to = greatest(settled_to, %s), version = version + 1,"
            " moved_at = clock_timestamp() WHERE account_id = %s",
            (work.cash, work.cursor, work.through, work.account.pk),
        )


def _move_in_order(moves: Sequence[OrderMove]) -> None:
    """Make every move; one order may move twice, so each round takes one move per order."""
    waiting = list(moves)
    while waiting:
        now: dict[int, OrderMove] = {}
        later: list[OrderMove] = []
        for move in waiting:
            if move.order_id in now:
                later.append(move)
            else:
                now[move.order_id] = move
        moved = move_orders(list(now.values()))
        if len(moved) != len(now):
            missing = sorted(set(now) - set(moved))
            raise RuntimeError(f"orders {missing} were not in the state the book's holder read")
        waiting = later


def _quarantine(account: Account, error: UnexpectedFillError) -> None:
    """Set the fill aside for a person and halt the account, each in its own transaction."""
    execution = error.execution
    with transaction.atomic():
        lock_book(account.pk)
        raise_incident(
            account_id=account.pk,
            kind="unexpected_fill",
            subject=execution.execution_id,
            detail={
                "why": error.why,
                "client_order_id": execution.client_order_id,
                "quantity": f"{execution.quantity:f}",
                "price": f"{execution.price:f}",
                "fee": f"{execution.fee:f}",
            },
        )
    engage_kill_switch(
        account_name=account.name, actor="engine", reason=f"unexpected fill: {error.why}"
    )
