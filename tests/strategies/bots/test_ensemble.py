"""Several strategies as one: the vote, the blended score, the strongest."""

import pytest

from domain.signals import WeightSet
from strategies.bots.base import BadBotParametersError, Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

RSI, BAND, CROSS = (
    "rsi:period=14",
    "bollinger:period=20,deviations=2.0",
    "sma_cross:fast=20,slow=50",
)
MEMBERS = ["rsi_mean_reversion", "bollinger_breakout", "sma_crossover"]
CROSSED_UP = ({CROSS: (0.1, 0.01)}, {CROSS: (-0.1, -0.01)})
WEAK, STRONG = {RSI: (20.0, -0.6)}, {RSI: (80.0, 0.6)}
MIDDLE = {RSI: (45.0, -0.1)}
ABOVE, BELOW, INSIDE = {BAND: (1.1, 1.0)}, {BAND: (-0.1, -1.0)}, {BAND: (0.6, 0.2)}


def asked(method, now, before=None, *, position=0, members=MEMBERS, **parameters):
    strategy = make_strategy(
        "ensemble", {"method": method, "members": members, "direction": "both"} | parameters
    )
    return strategy.decide(seen(strategy, now, before, position=position))


@pytest.mark.parametrize(
    ("now", "position", "intent"),
    [
        (WEAK | ABOVE, 0, Intent(1, "2 of 3 members vote to buy")),
        (STRONG | BELOW, 0, Intent(-1, "2 of 3 members vote to sell")),
        (WEAK | BELOW, 0, Intent(0, "no majority of the members")),
        (WEAK | INSIDE, 0, Intent(0, "no majority of the members")),
        (WEAK | ABOVE, 5, Intent(0, "already in position")),
        (MIDDLE | INSIDE, 5, Intent(0, "no majority of the members")),
        (STRONG | INSIDE, 5, Intent(0, "no majority of the members")),
        (STRONG | BELOW, 5, Intent(-1, "2 of 3 members leave", is_exit=True)),
        (WEAK | ABOVE, -5, Intent(1, "2 of 3 members leave", is_exit=True)),
    ],
)
def test_vote_when_asked_needs_more_than_half(now, position, intent):
    assert asked("vote", now, position=position) == intent


@pytest.mark.parametrize(
    ("now", "before", "intent"),
    [
        (WEAK | ABOVE, None, Intent(1, "strongest of 2: bollinger_breakout")),
        (WEAK | BELOW, None, Intent(-1, "strongest of 2: bollinger_breakout")),
        (WEAK | INSIDE, None, Intent(1, "strongest of 1: rsi_mean_reversion")),
        (
            STRONG | CROSSED_UP[0],
            STRONG | CROSSED_UP[1],
            Intent(-1, "strongest of 2: rsi_mean_reversion"),
        ),
        (MIDDLE | INSIDE, None, Intent(0, "no member wants in")),
    ],
)
def test_best_when_asked_follows_the_strongest(now, before, intent):
    assert asked("best", now, before) == intent


def test_best_when_the_strongest_turns_closes():
    intent = asked("best", MIDDLE | BELOW | {CROSS: (0.1, 0.1)}, position=5)
    assert intent == Intent(-1, "the members turned", is_exit=True)


@pytest.mark.parametrize(
    ("now", "position", "side", "is_exit"),
    [
        ({RSI: (10.0, -0.8), BAND: (0.9, 0.8)}, 0, 1, False),
        ({RSI: (10.0, -0.8), BAND: (0.1, -0.8)}, 0, 0, False),
        ({RSI: (90.0, 0.8), BAND: (0.1, -0.8)}, 0, -1, False),
        ({RSI: (90.0, 0.8), BAND: (0.1, -0.8)}, 5, -1, True),
        ({RSI: (50.0, 0.0), BAND: (0.5, 0.0)}, 5, 0, False),
    ],
)
def test_weighted_when_asked_follows_the_blended_score(now, position, side, is_exit):
    intent = asked("weighted", now, position=position, members=MEMBERS[:2])
    assert (intent.side, intent.is_exit) == (side, is_exit)


def test_ensemble_when_members_have_weights_blends_by_them():
    members = [
        {"strategy": "rsi_mean_reversion", "weight": 3},
        {"strategy": "bollinger_breakout", "weight": 1.0},
    ]
    strategy = make_strategy("ensemble", {"members": members, "method": "weighted"})
    assert strategy.weight_sets() == {
        "": WeightSet((RSI, BAND), (-3.0, 1.0), 550_000_000, -550_000_000)
    }


def test_ensemble_when_members_share_an_indicator_names_it_once():
    members = ["rsi_mean_reversion", {"strategy": "scalping", "parameters": {"rsi_period": 14}}]
    strategy = make_strategy("ensemble", {"members": members})
    weight_set = strategy.weight_sets()[""]
    assert weight_set.names == (RSI, "ema_cross:fast=5,slow=13", "vwap")
    assert weight_set.weights == pytest.approx((-2 / 3, 1 / 3, 1 / 3))


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"method": "loudest"}, "unknown method 'loudest'; known: vote, weighted, best"),
        ({"members": []}, "wanted: a list of 1 to 20 strategies"),
        ({"members": ["scalping"] * 21}, "wanted: a list of 1 to 20 strategies"),
        ({"members": "scalping"}, "wanted: a list of 1 to 20 strategies"),
        ({"members": ["scalping", "weighted_composite"]}, "reads the learned weights"),
        ({"members": ["regime_switcher"]}, "has members itself"),
    ],
)
def test_ensemble_when_made_wrong_is_refused(parameters, why):
    with pytest.raises(BadBotParametersError) as caught:
        make_strategy("ensemble", parameters)
    assert why in str(caught.value)
