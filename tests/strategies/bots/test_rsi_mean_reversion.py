"""Weakness is bought, strength sold, the middle closes."""

import pytest

from strategies.bots.base import Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

PARAMETERS = {"period": 9, "buy_below": 25, "sell_above": 80, "direction": "both"}
PASSED, BETWEEN = "score passed its threshold", "score between thresholds"
BACK = "the RSI is back at 50"


@pytest.mark.parametrize(
    ("rsi", "position", "intent"),
    [
        (24.0, 0, Intent(1, PASSED)),
        (25.0, 0, Intent(1, PASSED)),
        (25.1, 0, Intent(0, BETWEEN)),
        (79.9, 0, Intent(0, BETWEEN)),
        (80.0, 0, Intent(-1, PASSED)),
        (20.0, 5, Intent(0, "already in position")),
        (49.9, 5, Intent(0, BETWEEN)),
        (50.0, 5, Intent(-1, BACK, is_exit=True)),
        (50.1, -5, Intent(0, BETWEEN)),
        (50.0, -5, Intent(1, BACK, is_exit=True)),
    ],
)
def test_reversion_when_asked_answers(rsi, position, intent):
    strategy = make_strategy("rsi_mean_reversion", PARAMETERS)
    values = {"rsi:period=9": (rsi, rsi / 50.0 - 1.0)}
    assert strategy.decide(seen(strategy, values, position=position)) == intent
