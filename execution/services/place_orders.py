"""One instant of one account: everything it decides commits together or not at all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from domain.bus import publish
from domain.events import BookMoved, OrderPlaced
from domain.instruments import InstrumentTerms
from domain.money import ZERO, from_nano, to_price, to_ticks
from domain.options import OptionChain
from domain.orders import OPEN, PARTIAL, READY, side_word
from domain.portfolio import MarkedPosition, PortfolioSnapshot
from execution.accounting import close_in_units_of
from execution.queries import (
    AliveOrder,
    HeldPosition,
    LockedBook,
    day_start_equity,
    holdings,
    lock_book,
)
from execution.trade_cycle import (
    BotPlan,
    CycleResult,
    Decided,
    InstantInput,
    ScoredBar,
    ScoreKey,
    WorkingOrder,
    decide_instant,
)
from marketdata.models import Account
from marketdata.queries import SealedInstant, last_closes
from marketdata.services.insert_rows import insert_rows
from risk.queries import control_for_share
from risk.services.record_decisions import record_decisions
from strategies.confirmation import Recent, longest_memory
from strategies.queries import recent_entries
from strategies.services.record_signals import NewHold, NewSignal, record_holds, record_signals

ORDER_COLUMNS = (
    ("decision_id", "bigint"),
    ("leg", "smallint"),
    ("issue_no", "smallint"),
    ("account_id", "bigint"),
    ("instrument_id", "bigint"),
    ("bot_id", "bigint"),
    ("client_order_id", "text"),
    ("mode", "text"),
    ("order_type", "text"),
    ("side", "smallint"),
    ("quantity", "numeric"),
    ("filled_quantity", "numeric"),
    ("reserved", "numeric"),
    ("reduce_only", "boolean"),
    ("state", "text"),
    ("reason", "text"),
    ("decided_at", "timestamptz"),
)
OUTBOX_COLUMNS = (
    ("order_id", "bigint"),
    ("action", "text"),
    ("issue_no", "smallint"),
    ("epoch", "bigint"),
    ("attempts", "integer"),
    ("done", "boolean"),
    ("dead", "boolean"),
    ("reason", "text"),
)
ScoreIds = Mapping[tuple[int, str, int], int]


@dataclass(frozen=True, slots=True)
class Cycle:
    """What the walk brings to one instant: plans, scored bars, and where they are stored."""

    env: str
    account: Account
    instant: SealedInstant
    decided_to: datetime
    bots: tuple[BotPlan, ...]
    scored: Mapping[ScoreKey, ScoredBar]
    score_ids: ScoreIds
    terms: Mapping[int, InstrumentTerms]
    chains: Mapping[int, OptionChain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CycleReport:
    """How much one instant produced; quiet: nothing is on its way to a venue or back."""

    signals: int
    orders: int
    is_quiet: bool
    failures: Mapping[str, str] = field(default_factory=dict)  # bots whose strategy raised


def place_orders(
    cycle: Cycle, decide: Callable[[InstantInput], CycleResult] = decide_instant
) -> CycleReport | None:
    """Decide one instant and record it; None when somebody else already has or the gate closed."""
    account, closed_at = cycle.account, cycle.instant.closed_at
    with transaction.atomic():
        book = lock_book(account.pk)
        control = control_for_share(account.pk)
        held, alive = holdings(account.pk)
        if book.decided_to != cycle.decided_to or not _gate_is_open(cycle, book, held, alive):
            return None
        positions = _marked(held, cycle)
        snapshot = _snapshot(account.pk, book, positions, closed_at)
        result = decide(
            InstantInput(
                env=cycle.env,
                account=account.name,
                closed_at=closed_at,
                lag_ms=cycle.instant.lag_ms,
                bots=cycle.bots,
                scored=cycle.scored,
                portfolio=snapshot,
                working=tuple(_as_working(order) for order in alive),
                control_state=control.state,
                limits=control.limits,
                fee_e9=account.fee_e9,
                slippage_e9=account.slippage_e9,
                recent=_recent(cycle),
                chains=cycle.chains,
            )
        )
        placed = _record(cycle, result, snapshot)
        _advance(account.pk, closed_at, snapshot)
        publish(*placed, _moved(account.pk, book.version + 1, result))
    return CycleReport(
        len(result.decided),
        len(placed),
        is_quiet=not alive and not placed,
        failures=result.failures(),
    )


def _recent(cycle: Cycle) -> Mapping[tuple[int, int], Recent]:
    """Return the last entries of the bots whose rules ask for them."""
    closed_at = cycle.instant.closed_at
    since = {
        bot.id: closed_at - memory
        for bot in cycle.bots
        if (memory := longest_memory(bot.strategy.params, bot.timeframe.length))
    }
    return recent_entries(since=since, before=closed_at) if since else {}


def _gate_is_open(
    cycle: Cycle,
    book: LockedBook,
    held: Sequence[HeldPosition],
    alive: Sequence[AliveOrder],
) -> bool:
    """Tell whether nothing is unsent and nothing of this instant is still to be settled."""
    closed_at = cycle.instant.closed_at
    if any(order.state not in (OPEN, PARTIAL) for order in alive):
        return False
    if book.settled_to >= closed_at:
        return True
    split_is_due = any(
        book.settled_to <= split.effective_at < closed_at
        for one in held
        for split in cycle.terms[one.instrument_id].splits
    )
    return not alive and not split_is_due


def _marked(held: Sequence[HeldPosition], cycle: Cycle) -> tuple[MarkedPosition, ...]:
    """Return the positions at the newest closes known at the instant."""
    closes = {
        bar.terms.id: bar.close
        for bar in sorted(cycle.scored.values(), key=lambda bar: -bar.timeframe.seconds)
    }
    missing = sorted({one.instrument_id for one in held} - set(closes))
    if missing:
        found = last_closes(
            instrument_ids=missing,
            timeframes=cycle.account.stream.timeframes,
            as_of=cycle.instant.closed_at,
        )
        closes |= {
            one: close_in_units_of(
                last.price,
                closed_at=last.closed_at,
                splits=cycle.terms[one].splits,
                settled_to=cycle.instant.closed_at,
            )
            for one, last in found.items()
        }
    return tuple(
        MarkedPosition(
            instrument_id=one.instrument_id,
            bot=one.bot,
            quantity=one.quantity,
            price=_on_grid(closes[one.instrument_id], cycle.terms[one.instrument_id]),
            multiplier=cycle.terms[one.instrument_id].multiplier,
        )
        for one in held
    )


def _on_grid(close: float, terms: InstrumentTerms) -> Decimal:
    return to_price(to_ticks(close, terms.tick_size), terms.tick_size)


def _snapshot(
    account_id: int,
    book: LockedBook,
    positions: tuple[MarkedPosition, ...],
    closed_at: datetime,
) -> PortfolioSnapshot:
    equity = book.cash + sum((one.value for one in positions), ZERO)
    start = day_start_equity(account_id, closed_at)
    return PortfolioSnapshot(
        cash=book.cash,
        positions=positions,
        peak_equity=max(book.peak_equity, equity),
        day_start_equity=equity if start is None else start,
    )


def _as_working(order: AliveOrder) -> WorkingOrder:
    return WorkingOrder(
        instrument_id=order.instrument_id,
        bot=order.bot,
        worth=order.requested,
        reserved=order.reserved,
        is_exit=order.reduce_only,
    )


def _record(
    cycle: Cycle, result: CycleResult, snapshot: PortfolioSnapshot
) -> tuple[OrderPlaced, ...]:
    """Insert signals, decisions, orders, outbox and holds; return one event per order."""
    account, closed_at = cycle.account, cycle.instant.closed_at
    signal_ids = record_signals(signals=[_new_signal(one, cycle) for one in result.decided])
    decision_ids = record_decisions(
        account_id=account.pk,
        closed_at=closed_at,
        equity=snapshot.equity,
        verdicts=[
            (signal_id, one.verdict)
            for signal_id, one in zip(signal_ids, result.decided, strict=True)
        ],
    )
    approved = [
        (decision_id, one)
        for decision_id, one in zip(decision_ids, result.decided, strict=True)
        if one.verdict.approved
    ]
    _record_orders(account, closed_at, approved)
    record_holds(
        holds=[
            NewHold(
                bot_id=held.bot.id,
                closed_at=closed_at,
                symbols=tuple(bar.terms.key for bar in held.bars),
                scores=tuple(_score_id(bar, cycle.score_ids) for bar in held.bars),
                values=tuple(_value(bar) for bar in held.bars),
                reasons=held.reasons,
            )
            for held in result.holds
        ]
    )
    return tuple(_placed_event(account, one) for _, one in approved)


def _record_orders(
    account: Account, closed_at: datetime, approved: Sequence[tuple[int, Decided]]
) -> None:
    order_ids = insert_rows(
        table="execution_order",
        columns=ORDER_COLUMNS,
        rows=[
            (
                decision_id,
                0,
                0,
                account.pk,
                one.bar.terms.id,
                one.bot.id,
                one.client_order_id,
                account.mode,
                "market",
                one.side,
                one.verdict.quantity,
                ZERO,
                one.verdict.reserved,
                one.is_exit,
                READY,
                "",
                closed_at,
            )
            for decision_id, one in approved
        ],
        returning=("id",),
    )
    insert_rows(
        table="execution_outbox",
        columns=OUTBOX_COLUMNS,
        rows=[(order_id, "submit", 0, 0, 0, False, False, "") for (order_id,) in order_ids],
    )


def _new_signal(one: Decided, cycle: Cycle) -> NewSignal:
    return NewSignal(
        key=one.key,
        account_id=cycle.account.pk,
        bot_id=one.bot.id,
        instrument_id=one.bar.terms.id,
        timeframe=one.bar.timeframe.value,
        closed_at=cycle.instant.closed_at,
        source="bot",
        side=one.side,
        reduce_only=one.is_exit,
        score_id=_score_id(one.bar, cycle.score_ids),
        reason=one.reason,
        strength=one.strength,
        buy_threshold=one.weight_set.buy_threshold,
        sell_threshold=one.weight_set.sell_threshold,
    )


def _score_id(bar: ScoredBar, ids: ScoreIds) -> int | None:
    return ids.get((bar.terms.id, bar.timeframe.value, bar.weight_version_id))


def _value(bar: ScoredBar) -> Decimal | None:
    return None if bar.score.value is None else from_nano(bar.score.value)


def _placed_event(account: Account, one: Decided) -> OrderPlaced:
    return OrderPlaced(
        shard=account.pk,
        actor=f"bot:{one.bot.name}",
        action="place",
        subject=one.client_order_id,
        detail={
            "signal": one.key,
            "instrument": one.bar.terms.key,
            "side": side_word(one.side),
            "quantity": f"{one.verdict.quantity:f}",
        },
    )


def _advance(account_id: int, closed_at: datetime, snapshot: PortfolioSnapshot) -> None:
    """Write the equity point and move the book past the instant."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH point AS (INSERT INTO execution_equitypoint (account_id, closed_at, cash,"
            "  positions_value, equity) VALUES (%s, %s, %s, %s, %s))"
            " UPDATE execution_book SET decided_to = %s, peak_equity = %s, version = version + 1,"
            "  moved_at = clock_timestamp() WHERE account_id = %s",
            (
                account_id,
                closed_at,
                snapshot.cash,
                snapshot.equity - snapshot.cash,
                snapshot.equity,
                closed_at,
                snapshot.peak_equity,
                account_id,
            ),
        )


def _moved(account_id: int, version: int, result: CycleResult) -> BookMoved:
    topics = ("desk", "signals", "orders") if result.decided else ("desk",)
    return BookMoved(shard=account_id, version=version, topics=topics)
