"""The regime names the member; the active member decides, whoever opened the position."""

import pytest

from domain.signals import SCORE_UNIT, WeightSet
from strategies.bots.base import BadBotParametersError, Intent
from strategies.bots.registry import make_strategy
from tests.strategies.bots.suite import seen

RSI, BAND, CROSS = (
    "rsi:period=14",
    "bollinger:period=20,deviations=2.0",
    "sma_cross:fast=20,slow=50",
)
PARAMETERS = {"trending": "sma_crossover", "direction": "both"}
# Weak and below the lower band: a reversal buys, an outbreak sells; the averages just crossed up.
NOW = {RSI: (20.0, -0.6), BAND: (-0.1, -1.0), CROSS: (0.1, 0.01)}
BEFORE = {CROSS: (-0.1, -0.01)}


@pytest.mark.parametrize(
    ("regime", "position", "intent"),
    [
        ("", 0, Intent(0, "no regime is known yet")),
        ("", 5, Intent(0, "no regime is known yet")),
        ("trending", 0, Intent(1, "sma_crossover: the fast average crossed above the slow one")),
        ("ranging", 0, Intent(1, "rsi_mean_reversion: score passed its threshold")),
        ("volatile", 0, Intent(-1, "bollinger_breakout: closed below the lower band")),
        ("trending", 5, Intent(0, "sma_crossover: already in position")),
        ("trending", -5, Intent(1, "sma_crossover: the averages crossed back", is_exit=True)),
        ("ranging", -5, Intent(1, "rsi_mean_reversion: the RSI is back at 50", is_exit=True)),
        (
            "volatile",
            5,
            Intent(-1, "bollinger_breakout: closed at the middle of the bands", is_exit=True),
        ),
    ],
)
def test_switcher_when_regime_changes_asks_another_member(regime, position, intent):
    strategy = make_strategy("regime_switcher", PARAMETERS)
    context = seen(strategy, NOW, BEFORE, position=position, regime=regime)
    assert strategy.decide(context) == intent


def test_switcher_when_asked_for_weights_has_each_members_own_over_all_names():
    names = (CROSS, RSI, BAND)
    ranging = WeightSet(names, (0.0, -1.0, 0.0), 400_000_000, -400_000_000)
    assert make_strategy("regime_switcher", PARAMETERS).weight_sets() == {
        "": ranging,
        "trending": WeightSet(names, (1.0, 0.0, 0.0), 1, -1),
        "ranging": ranging,
        "volatile": WeightSet(names, (0.0, 0.0, 1.0), SCORE_UNIT, -SCORE_UNIT),
    }


def test_switcher_when_a_member_has_parameters_hands_them_on():
    member = {"strategy": "rsi_mean_reversion", "parameters": {"period": 5, "buy_below": 10}}
    strategy = make_strategy("regime_switcher", {"ranging": member})
    assert strategy.members["ranging"].params.period == 5
    assert strategy.weight_sets()["ranging"].buy_threshold == 800_000_000


def test_switcher_when_long_only_holds_all_members_to_it():
    strategy = make_strategy("regime_switcher", {})
    context = seen(strategy, NOW, BEFORE, regime="volatile")
    assert strategy.decide(context) == Intent(0, "bollinger_breakout: long only")


def test_switcher_when_adaptive_asks_members_for_more_but_lets_them_out_as_ever():
    strategy = make_strategy("regime_switcher", {"volatile": "rsi_mean_reversion"} | ADAPTIVE)
    weak, back = {RSI: (25.0, -0.5)}, {RSI: (50.0, 0.0)}
    calm = seen(strategy, weak, regime="ranging")
    wild = seen(strategy, weak, regime="volatile")
    wilder = seen(strategy, {RSI: (19.0, -0.62)}, regime="volatile")
    held = seen(strategy, back, regime="volatile", position=5)
    assert [strategy.decide(one).side for one in (calm, wild, wilder, held)] == [1, 0, 1, -1]


ADAPTIVE = {"adaptive": True}


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ("weighted_composite", "'weighted_composite' reads the learned weights"),
        ("ensemble", "'ensemble' has members itself"),
        ({"strategy": "scalping", "parameters": {"cooldown_bars": 5}}, "takes no 'cooldown_bars'"),
        ({"strategy": "scalping", "parameters": {"direction": "both"}}, "takes no 'direction'"),
        ({"strategy": "scalping", "parameters": {"fast": 50}}, "fast must be below slow"),
        ({"strategy": "scalping", "parameters": [1]}, "has the parameters [1]"),
        ({"strategy": "scalping", "weight": 0}, "has the weight 0"),
        ({"strategy": "scalping", "weight": True}, "has the weight True"),
        ({"strategy": "scalping", "surplus": 1}, "wanted: a strategy's name or"),
        ({"strategy": 7}, "wanted: a strategy's name or"),
        (7, "wanted: a strategy's name or"),
        (None, "wanted: a strategy's name or"),
    ],
)
def test_member_when_it_cannot_be_one_is_refused(member, why):
    with pytest.raises(BadBotParametersError) as caught:
        make_strategy("regime_switcher", {"trending": member})
    assert why in str(caught.value)
