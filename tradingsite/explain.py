"""Why a signal was given or a score came out as it did: one answer for command, API and page."""

from dataclasses import dataclass

from django.db.models import QuerySet

from domain.errors import PlumblineError
from execution.models import Fill, Order, OrderEvent
from mlweights.models import Score
from risk.models import Decision
from strategies.models import Signal
from tradingsite.recomputing import Recomputed, recomputed
from tradingsite.why import (
    UnknownOrderError,
    WhyDecision,
    WhyEvent,
    WhyFill,
    WhyOrder,
    WhyScore,
    WhySignal,
    WhyTraining,
    WhyWeights,
    decision_part,
    event_part,
    fill_part,
    order_part,
    score_part,
    signal_part,
    training_part,
    weights_part,
)

SIGNAL = ("score", "account", "instrument", "bot")
WEIGHTS = ("weight_version__parent", "weight_version__training_run")
# Far beyond what any id reaches, and what a bigint holds.
LONGEST_ID = 18


class UnknownSignalError(PlumblineError):
    """No signal has that id or key."""

    code = "unknown_signal"


class UnknownScoreError(PlumblineError):
    """No score has that id."""

    code = "unknown_score"


@dataclass(frozen=True, slots=True)
class SentOrder:
    """One order of a signal, its way and its fills."""

    order: WhyOrder
    events: tuple[WhyEvent, ...]
    fills: tuple[WhyFill, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """From the training run to the fills, as far as there is each; and the score made again."""

    signal: WhySignal | None
    score: WhyScore | None
    weights: WhyWeights | None
    training: WhyTraining | None
    recomputed: Recomputed | None
    decision: WhyDecision | None
    orders: tuple[SentOrder, ...]


def explain_signal(name: str) -> Explanation:
    """Return why the signal of that id or key was given, and what came of it."""
    is_id = name.isascii() and name.isdigit() and len(name) <= LONGEST_ID
    wanted = {"pk": int(name)} if is_id else {"key": name}
    signal = Signal.objects.select_related(*SIGNAL).filter(**wanted).first()
    if signal is None:
        raise UnknownSignalError(f"unknown signal '{name}'; give its id or its key")
    return _explanation(signal, signal.score, Order.objects.filter(decision__signal=signal))


def explain_score(score_id: int) -> Explanation:
    """Return how the score came out; a signal that it gave is explained by its own."""
    score = Score.objects.filter(pk=score_id).first()
    if score is None:
        raise UnknownScoreError(f"unknown score {score_id}")
    return _explanation(None, score, Order.objects.none())


def explain_order(order_id: int) -> Explanation:
    """Return why the order exists: its signal, explained, with this order only."""
    joined = (f"decision__signal__{one}" for one in SIGNAL)
    order = Order.objects.select_related(*joined).filter(pk=order_id).first()
    if order is None:
        raise UnknownOrderError(f"unknown order {order_id}")
    signal = order.decision.signal
    return _explanation(signal, signal.score, Order.objects.filter(pk=order_id))


def _explanation(
    signal: Signal | None, score: Score | None, orders: QuerySet[Order]
) -> Explanation:
    if score is not None:
        score = Score.objects.select_related("instrument", *WEIGHTS).get(pk=score.pk)
    version = score.weight_version if score else None
    run = version.training_run if version else None
    decision = Decision.objects.filter(signal=signal).first() if signal else None
    joined = orders.select_related("account", "instrument", "bot").order_by("id")
    return Explanation(
        signal=signal_part(signal) if signal else None,
        score=score_part(score) if score else None,
        weights=weights_part(version) if version else None,
        training=training_part(run) if run else None,
        recomputed=recomputed(score) if score else None,
        decision=decision_part(decision) if decision else None,
        orders=tuple(map(sent_order, joined)),
    )


def sent_order(order: Order) -> SentOrder:
    """Return the order with its events and fills, oldest first."""
    return SentOrder(
        order=order_part(order),
        events=tuple(map(event_part, OrderEvent.objects.filter(order=order).order_by("seq"))),
        fills=tuple(map(fill_part, Fill.objects.filter(order=order).order_by("executed_at", "id"))),
    )
