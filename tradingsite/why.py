"""Why an order exists: from the order back to the run that learned its weights."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

from domain.decisions import Check
from domain.errors import PlumblineError
from domain.money import from_nano
from domain.orders import side_word
from execution.models import Fill, Order, OrderEvent
from marketdata.models import DataRevision
from mlweights.models import Score, TrainingRun, WeightVersion
from mlweights.queries import changes_under_run, changes_under_score
from risk.models import Decision
from strategies.models import Signal
from tradingsite.recomputing import Recomputed, recomputed


class UnknownOrderError(PlumblineError):
    """No order has that id."""

    code = "unknown_order"


@dataclass(frozen=True, slots=True)
class WhyOrder:
    """The order as it stands."""

    id: int
    client_order_id: str
    account: str
    instrument: str
    bot: str
    side: str
    quantity: Decimal
    filled_quantity: Decimal
    state: str
    reason: str
    decided_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WhyEvent:
    """One change of state on the order's way."""

    from_state: str
    to_state: str
    detail: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WhyFill:
    """One execution of the order."""

    execution_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: datetime


@dataclass(frozen=True, slots=True)
class WhyDecision:
    """What risk answered, with every rule's input and limit."""

    id: int
    approved: bool
    reason: str
    requested_quantity: Decimal
    quantity: Decimal
    price: Decimal
    equity: Decimal
    price_age_ms: int
    price_age_limit_ms: int
    checks: tuple[Check, ...]
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class WhySignal:
    """The wish that began it: a bot's, an exit's, a person's or a flatten's.

    The thresholds are those it was held against then, moved where a bot adapts them.
    """

    id: int
    key: str
    account: str
    instrument: str
    bot: str
    source: str
    side: str
    strength: str
    buy_threshold: Decimal | None
    sell_threshold: Decimal | None
    reason: str
    timeframe: str
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Contribution:
    """One indicator's share of the score; None where it had no value."""

    indicator: str
    raw: float | None
    normalised: float | None
    weight: float
    contribution: float | None


@dataclass(frozen=True, slots=True)
class WhyChange:
    """A change of the bars under something, made after it: the record no longer shows them."""

    revision: int
    kind: str
    bars: int
    first_opened_at: datetime
    last_opened_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WhyScore:
    """The score behind the signal, and the bars it was made of; thresholds as in its version."""

    id: int
    instrument: str
    timeframe: str
    value: Decimal
    buy_threshold: Decimal
    sell_threshold: Decimal
    regime: str
    volatility: str
    contributions: tuple[Contribution, ...]
    missing: tuple[str, ...]
    bars_from: datetime
    bars_hash: str
    closed_at: datetime
    changed_later: tuple[WhyChange, ...]


@dataclass(frozen=True, slots=True)
class WhyWeights:
    """The weight version that decided the bar."""

    id: int
    label: str
    state: str
    optimizer: str
    author: str
    parent: str
    data_hash: str
    measures: dict[str, Any]
    valid_from: datetime | None


@dataclass(frozen=True, slots=True)
class WhyTraining:
    """The run that learned those weights."""

    id: int
    optimizer: str
    as_of: datetime
    data_hash: str
    measures: dict[str, Any]
    state: str
    reason: str
    changed_later: tuple[WhyChange, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """The whole chain of an order; from the score on None where a person began it.

    Training is None for weights that nobody learned.
    """

    order: WhyOrder
    events: tuple[WhyEvent, ...]
    fills: tuple[WhyFill, ...]
    decision: WhyDecision
    signal: WhySignal
    score: WhyScore | None
    weights: WhyWeights | None
    training: WhyTraining | None
    recomputed: Recomputed | None


MOST_CHANGES = 20
CHAIN = (
    "account",
    "instrument",
    "bot",
    "decision__signal__score__weight_version__parent",
    "decision__signal__score__weight_version__training_run",
    "decision__signal__score__instrument",
    "decision__signal__account",
    "decision__signal__instrument",
    "decision__signal__bot",
)


def why(order_id: int) -> Why:
    """Return everything the order came from, and its score made again from stored data."""
    order = Order.objects.select_related(*CHAIN).filter(pk=order_id).first()
    if order is None:
        raise UnknownOrderError(f"unknown order {order_id}")
    score = order.decision.signal.score
    weights = score.weight_version if score else None
    training = weights.training_run if weights else None
    return Why(
        order=order_part(order),
        events=tuple(map(event_part, OrderEvent.objects.filter(order=order).order_by("seq"))),
        fills=tuple(map(fill_part, Fill.objects.filter(order=order).order_by("executed_at", "id"))),
        decision=decision_part(order.decision),
        signal=signal_part(order.decision.signal),
        score=score_part(score) if score else None,
        weights=weights_part(weights) if weights else None,
        training=training_part(training) if training else None,
        recomputed=recomputed(score) if score else None,
    )


def order_part(order: Order) -> WhyOrder:
    """Return the order as it stands."""
    return WhyOrder(
        id=order.pk,
        client_order_id=order.client_order_id,
        account=order.account.name,
        instrument=str(order.instrument),
        bot=order.bot.name if order.bot else "",
        side=side_word(order.side),
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        state=order.state,
        reason=order.reason,
        decided_at=order.decided_at,
        created_at=order.created_at,
    )


def event_part(event: OrderEvent) -> WhyEvent:
    """Return one change of its state."""
    return WhyEvent(event.from_state, event.to_state, event.detail, event.created_at)


def fill_part(fill: Fill) -> WhyFill:
    """Return one execution."""
    return WhyFill(fill.execution_id, fill.quantity, fill.price, fill.fee, fill.executed_at)


def decision_part(decision: Decision) -> WhyDecision:
    """Return what risk answered."""
    return WhyDecision(
        id=decision.pk,
        approved=decision.approved,
        reason=decision.reason,
        requested_quantity=decision.requested_quantity,
        quantity=decision.quantity,
        price=decision.price,
        equity=decision.equity,
        price_age_ms=decision.price_age_ms,
        price_age_limit_ms=decision.price_age_limit_ms,
        checks=tuple(_check(check) for check in decision.checks),
        closed_at=decision.closed_at,
    )


def _check(stored: dict[str, Any]) -> Check:
    return Check(
        rule=str(stored["rule"]),
        value=str(stored["value"]),
        limit=str(stored["limit"]),
        reason=str(stored.get("reason", "")),
    )


def signal_part(signal: Signal) -> WhySignal:
    """Return the wish."""
    return WhySignal(
        id=signal.pk,
        key=signal.key,
        account=signal.account.name,
        instrument=str(signal.instrument),
        bot=signal.bot.name if signal.bot else "",
        source=signal.source,
        side=side_word(signal.side),
        strength=signal.strength,
        buy_threshold=_threshold(signal.buy_threshold),
        sell_threshold=_threshold(signal.sell_threshold),
        reason=signal.reason,
        timeframe=signal.timeframe,
        closed_at=signal.closed_at,
    )


def _threshold(stored: int | None) -> Decimal | None:
    return None if stored is None else from_nano(stored)


def score_part(score: Score) -> WhyScore:
    """Return the score with its contributions; an indicator without weight is never missing."""
    version, contributions = score.weight_version, contributions_of(score)
    return WhyScore(
        id=score.pk,
        instrument=str(score.instrument),
        timeframe=score.timeframe,
        value=score.value,
        buy_threshold=from_nano(version.buy_threshold),
        sell_threshold=from_nano(version.sell_threshold),
        regime=score.regime,
        volatility=score.volatility,
        contributions=contributions,
        missing=tuple(
            one.indicator for one in contributions if one.weight and one.contribution is None
        ),
        bars_from=score.bars_from,
        bars_hash=score.bars_hash,
        closed_at=score.closed_at,
        changed_later=tuple(map(_change, changes_under_score(score)[:MOST_CHANGES])),
    )


def _change(found: DataRevision) -> WhyChange:
    return WhyChange(
        revision=found.pk,
        kind=found.kind,
        bars=found.bars,
        first_opened_at=found.first_opened_at,
        last_opened_at=found.last_opened_at,
        created_at=found.created_at,
    )


def contributions_of(score: Score) -> tuple[Contribution, ...]:
    """Return one line per indicator, in the weight version's order."""
    columns = zip_longest(score.raw, score.normalised, score.contributions)
    return tuple(
        Contribution(name, raw, normalised, weight, contribution)
        for (name, weight), (raw, normalised, contribution) in zip(
            score.weight_version.weights, columns, strict=True
        )
    )


def weights_part(version: WeightVersion) -> WhyWeights:
    """Return the weight version."""
    return WhyWeights(
        id=version.pk,
        label=version.label,
        state=version.state,
        optimizer=version.optimizer,
        author=version.author,
        parent=version.parent.label if version.parent else "",
        data_hash=version.data_hash,
        measures=version.measures,
        valid_from=version.valid_from,
    )


def training_part(run: TrainingRun) -> WhyTraining:
    """Return the run that learned it."""
    return WhyTraining(
        id=run.pk,
        optimizer=run.optimizer,
        as_of=run.as_of,
        data_hash=run.data_hash,
        measures=run.measures,
        state=run.state,
        reason=run.reason,
        changed_later=tuple(map(_change, changes_under_run(run)[:MOST_CHANGES])),
    )
