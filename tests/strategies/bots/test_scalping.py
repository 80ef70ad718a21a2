"""In while three fast indicators agree, out as soon as they cool off."""

import pytest

from strategies.bots.base import Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

PASSED, BETWEEN = "score passed its threshold", "score between thresholds"
COOLED = "the score cooled off"


@pytest.mark.parametrize(
    ("normalised", "position", "intent"),
    [
        ((0.6, 0.3, 0.3), 0, Intent(1, PASSED)),
        ((0.6, 0.3, 0.2), 0, Intent(0, BETWEEN)),
        ((-0.6, -0.3, -0.3), 0, Intent(-1, PASSED)),
        ((0.5, 0.5, None), 0, Intent(1, PASSED)),  # no volume, no average price of the day
        ((0.6, 0.6, 0.6), 5, Intent(0, "already in position")),
        ((0.4, 0.2, 0.0), 5, Intent(0, BETWEEN)),
        ((0.3, 0.0, -0.3), 5, Intent(-1, COOLED, is_exit=True)),
        ((-0.6, -0.6, -0.6), 5, Intent(-1, COOLED, is_exit=True)),
        ((0.3, 0.0, -0.3), -5, Intent(1, COOLED, is_exit=True)),
    ],
)
def test_scalping_when_asked_answers(normalised, position, intent):
    strategy = make_strategy("scalping", {"direction": "both"})
    names = ("ema_cross:fast=5,slow=13", "rsi:period=7", "vwap")
    values = {name: (1.0, value) for name, value in zip(names, normalised, strict=True)}
    assert strategy.decide(seen(strategy, values, position=position)) == intent


def test_scalping_when_made_rests_between_entries_by_itself():
    params = make_strategy("scalping", {}).params
    assert (params.cooldown_bars, params.most_per_day) == (3, 10)
