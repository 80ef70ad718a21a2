"""In with a strong trend, out when SuperTrend changes sides."""

import pytest

from strategies.bots.base import Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

NAMES = ("roc:period=20", "adx:period=14", "supertrend:period=10,multiplier=3.0")
RIDES = "a strong trend in the score's direction"
TURNED = "SuperTrend changed sides"


@pytest.mark.parametrize(
    ("normalised", "adx", "position", "intent"),
    [
        ((0.5, 0.3, 0.4), 25.0, 0, Intent(1, RIDES)),
        ((-0.5, -0.3, -0.4), 25.0, 0, Intent(-1, RIDES)),
        ((0.5, 0.3, 0.4), 19.9, 0, Intent(0, "the trend is too weak")),
        ((0.5, None, 0.4), None, 0, Intent(0, "the trend is too weak")),
        ((0.9, 0.9, -0.4), 25.0, 0, Intent(0, "SuperTrend does not agree")),
        ((0.1, 0.3, 0.4), 25.0, 0, Intent(0, "score between thresholds")),
        ((-0.9, -0.9, 0.1), 25.0, 5, Intent(0, "SuperTrend does not agree")),
        ((0.9, 0.9, -0.1), 25.0, 5, Intent(-1, TURNED, is_exit=True)),
        ((0.0, 0.0, 0.1), 25.0, -5, Intent(1, TURNED, is_exit=True)),
    ],
)
def test_rider_when_asked_answers(normalised, adx, position, intent):
    strategy = make_strategy("momentum_rider", {"direction": "both"})
    values = dict(zip(NAMES, zip((1.0, adx, 1.0), normalised, strict=True), strict=True))
    assert strategy.decide(seen(strategy, values, position=position)) == intent
