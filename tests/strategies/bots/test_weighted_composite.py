"""In past its threshold, out past the other, and never twice."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from domain.signals import DEFAULT_WEIGHTS
from strategies.bots.base import BadBotParametersError, BotContext, Intent
from strategies.bots.registry import make_strategy

BUY_AT, SELL_AT = DEFAULT_WEIGHTS.buy_threshold, DEFAULT_WEIGHTS.sell_threshold
ENTRY, EXIT = "score passed its threshold", "score passed the opposite threshold"
IN_POSITION = "already in position"


def asked(
    score: int | None, *, position: int = 0, pending: bool = False, direction: str = "long"
) -> Intent:
    context = BotContext(
        symbol="ACME", closed_at=datetime(2020, 1, 2, tzinfo=UTC), close=10.0, score=score,
        weight_set=DEFAULT_WEIGHTS, position=Decimal(position), pending=pending,
    )  # fmt: skip
    return make_strategy("weighted_composite", {"direction": direction}).decide(context)


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


@pytest.mark.parametrize(
    "parameters",
    [{"size_pct": 0}, {"size_pct": 101}, {"size_pct": "x"}, {"size_pct": "nan"},
     {"direction": "up"}, {"unknown": 1}],
)  # fmt: skip
def test_parameters_when_wrong_are_refused(parameters):
    with pytest.raises(BadBotParametersError):
        make_strategy("weighted_composite", parameters)
