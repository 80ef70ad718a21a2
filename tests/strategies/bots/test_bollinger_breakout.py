"""In beyond a band, out at the middle."""

import pytest

from strategies.bots.base import Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

BAND = "bollinger:period=10,deviations=1.5"
BETWEEN = "closed between the bands"
BACK = "closed at the middle of the bands"


@pytest.mark.parametrize(
    ("percent_b", "position", "intent"),
    [
        (1.01, 0, Intent(1, "closed above the upper band")),
        (1.0, 0, Intent(0, BETWEEN)),
        (0.0, 0, Intent(0, BETWEEN)),
        (-0.01, 0, Intent(-1, "closed below the lower band")),
        (1.2, 5, Intent(0, "already in position")),
        (0.51, 5, Intent(0, BETWEEN)),
        (0.5, 5, Intent(-1, BACK, is_exit=True)),
        (-0.5, 5, Intent(-1, BACK, is_exit=True)),
        (0.49, -5, Intent(0, BETWEEN)),
        (0.5, -5, Intent(1, BACK, is_exit=True)),
    ],
)
def test_breakout_when_asked_answers(percent_b, position, intent):
    strategy = make_strategy(
        "bollinger_breakout", {"period": 10, "deviations": 1.5, "direction": "both"}
    )
    place = max(-1.0, min(1.0, 2.0 * percent_b - 1.0))
    values = {BAND: (percent_b, place)}
    assert strategy.decide(seen(strategy, values, position=position)) == intent
