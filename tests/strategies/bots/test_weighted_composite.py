"""In past its threshold, out past the other, and never twice."""

from dataclasses import replace

import pytest

from domain.signals import DEFAULT_WEIGHTS
from strategies.bots.base import Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

BUY_AT, SELL_AT = DEFAULT_WEIGHTS.buy_threshold, DEFAULT_WEIGHTS.sell_threshold
ENTRY, EXIT = "score passed its threshold", "score passed the opposite threshold"
IN_POSITION = "already in position"


def asked(
    score: int | None, *, position: int = 0, pending: bool = False, direction: str = "long"
) -> Intent:
    strategy = make_strategy("weighted_composite", {"direction": direction})
    context = seen(strategy, {}, position=position, pending=pending)
    return strategy.decide(replace(context, score=score))


@pytest.mark.parametrize(
    ("given", "intent"),
    [
        ({"score": None}, Intent(0, "no score yet")),
        ({"score": BUY_AT - 1}, Intent(0, "score between thresholds")),
        ({"score": SELL_AT + 1}, Intent(0, "score between thresholds")),
        ({"score": BUY_AT}, Intent(1, ENTRY)),
        ({"score": BUY_AT, "pending": True}, Intent(0, "an order is working")),
        ({"score": BUY_AT, "position": 5}, Intent(0, IN_POSITION)),
        ({"score": SELL_AT, "position": 5}, Intent(-1, EXIT, is_exit=True)),
        ({"score": SELL_AT}, Intent(0, "long only")),
        ({"score": SELL_AT, "direction": "both"}, Intent(-1, ENTRY)),
        ({"score": BUY_AT, "direction": "short"}, Intent(0, "short only")),
        ({"score": BUY_AT, "direction": "short", "position": -5}, Intent(1, EXIT, is_exit=True)),
        ({"score": SELL_AT, "direction": "both", "position": -5}, Intent(0, IN_POSITION)),
    ],
)
def test_composite_when_asked_answers(given, intent):
    assert asked(**given) == intent
