"""An explanation as lines of plain text, in the order in which things happened."""

from collections.abc import Iterator
from decimal import Decimal

from tradingsite.explain import Explanation, SentOrder
from tradingsite.recomputing import Recomputed
from tradingsite.why import WhyDecision, WhyScore, WhySignal, WhyTraining, WhyWeights

INDICATOR_LINE = "  {:<28} {:>24} {:>23} {:>23} {:>23}"


def lines_of(found: Explanation) -> Iterator[str]:
    """Yield every line."""
    if found.signal:
        yield from _signal(found.signal)
    if found.score:
        yield from _score(found.score)
    if found.weights:
        yield from _weights(found.weights, found.training)
    if found.recomputed:
        yield from _recomputed(found.recomputed)
    if found.decision:
        yield from _decision(found.decision)
    for sent in found.orders:
        yield from _order(sent)


def _signal(signal: WhySignal) -> Iterator[str]:
    strength = f" ({signal.strength})" if signal.strength else ""
    yield f"signal {signal.id}: {signal.side}{strength} by {signal.source}, {signal.key}"
    yield f"  {signal.reason}"
    if signal.buy_threshold is not None and signal.sell_threshold is not None:
        yield f"  thresholds then: {_thresholds(signal.buy_threshold, signal.sell_threshold)}"


def _score(score: WhyScore) -> Iterator[str]:
    yield (
        f"score {score.id}: {score.value:+.9f} of {score.instrument} {score.timeframe}"
        f" closed {score.closed_at:%Y-%m-%d %H:%M}Z"
    )
    yield f"  regime: {score.regime or 'unknown'}, volatility: {score.volatility or 'unknown'}"
    yield INDICATOR_LINE.format("indicator", "raw", "normalised", "weight", "contribution")
    for one in score.contributions:
        numbers = (one.raw, one.normalised, one.weight, one.contribution)
        yield INDICATOR_LINE.format(one.indicator, *map(_number, numbers))
    yield f"  missing: {', '.join(score.missing) or 'none'}"
    yield f"  thresholds of the version: {_thresholds(score.buy_threshold, score.sell_threshold)}"
    yield f"  bars from {score.bars_from:%Y-%m-%d %H:%M}Z, hash {score.bars_hash}"


def _weights(weights: WhyWeights, training: WhyTraining | None) -> Iterator[str]:
    yield f"weights {weights.label}: {weights.optimizer}, by {weights.author}, now {weights.state}"
    if training is None:
        yield "  not learned by a training run"
    else:
        yield (
            f"  training run {training.id}: knew bars to {training.as_of:%Y-%m-%d %H:%M}Z,"
            f" data hash {training.data_hash or 'none'}"
        )


def _recomputed(again: Recomputed) -> Iterator[str]:
    yield again.verdict
    for one in again.differences:
        yield f"  {one.part}: stored {one.stored}, now {one.again}"
    for bar in again.changed_bars:
        seen = "counts" if bar.counts else "known only after the score, not counted"
        yield (
            f"  {bar.kind} since: {bar.timeframe} {bar.opened_at:%Y-%m-%d %H:%M}Z"
            f" {bar.detail} ({seen})"
        )


def _decision(decision: WhyDecision) -> Iterator[str]:
    if decision.approved:
        asked = f"{decision.requested_quantity.normalize():f}"
        yield f"risk approved {decision.quantity.normalize():f} of {asked} asked for"
    else:
        yield f"risk refused: {decision.reason}"
    for check in decision.checks:
        answer = check.reason or "passed"
        yield f"  {check.rule}: {check.value}, limit {check.limit}: {answer}"


def _order(sent: SentOrder) -> Iterator[str]:
    order = sent.order
    yield f"order {order.client_order_id}: {order.side} {order.quantity:f}, {order.state}"
    for fill in sent.fills:
        yield (
            f"  filled {fill.quantity:f} at {fill.price:f}, fee {fill.fee:f},"
            f" {fill.executed_at:%Y-%m-%d %H:%M}Z"
        )


def _thresholds(buy: Decimal, sell: Decimal) -> str:
    return f"buy from {buy:+.9f}, sell to {sell:+.9f}"


def _number(value: float | None) -> str:
    return "missing" if value is None else repr(value)
