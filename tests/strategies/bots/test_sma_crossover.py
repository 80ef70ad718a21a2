"""In at the cross itself and at no later bar; out at the opposite one."""

import pytest

from strategies.bots.base import Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

SPREAD = "sma_cross:fast=5,slow=30"
UP = Intent(1, "the fast average crossed above the slow one")
DOWN = Intent(-1, "the fast average crossed below the slow one")
NO_CROSS = Intent(0, "the averages did not cross")
NOTHING_BEFORE = Intent(0, "no spread to compare with yet")


def asked(before: float | None, now: float, position: int = 0, direction: str = "both") -> Intent:
    strategy = make_strategy("sma_crossover", {"fast": 5, "slow": 30, "direction": direction})
    was = {SPREAD: (before, None if before is None else before / 10.0)}
    return strategy.decide(seen(strategy, {SPREAD: (now, now / 10.0)}, was, position=position))


@pytest.mark.parametrize(
    ("before", "now", "intent"),
    [
        (-0.2, 0.1, UP),
        (0.0, 0.1, UP),
        (0.1, 0.2, NO_CROSS),
        (-0.2, 0.0, NO_CROSS),
        (0.2, -0.1, DOWN),
        (0.0, -0.1, DOWN),
        (-0.1, -0.2, NO_CROSS),
        (None, 0.1, NOTHING_BEFORE),
    ],
)
def test_crossover_when_flat_enters_at_the_cross_alone(before, now, intent):
    assert asked(before, now) == intent


@pytest.mark.parametrize(
    ("before", "now", "position", "intent"),
    [
        (0.1, 0.2, 5, NO_CROSS),
        (0.1, -0.1, 5, Intent(-1, "the averages crossed back", is_exit=True)),
        (-0.1, -0.2, 5, Intent(-1, "the averages crossed back", is_exit=True)),  # a bar missed
        (-0.1, 0.1, 5, Intent(0, "already in position")),
        (-0.1, 0.1, -5, Intent(1, "the averages crossed back", is_exit=True)),
    ],
)
def test_crossover_when_in_position_leaves_at_the_opposite_cross(before, now, position, intent):
    assert asked(before, now, position) == intent


def test_crossover_when_long_only_stays_out_of_a_cross_below():
    assert asked(0.1, -0.1, direction="long") == Intent(0, "long only")
