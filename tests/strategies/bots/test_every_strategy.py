"""The shared suite over the whole registry, and proof that it catches what it must."""

import re
from dataclasses import fields
from pathlib import Path
from random import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.signals import WeightSet
from strategies.bots.base import BadBotParametersError, BotContext, Intent, StrategyParams
from strategies.bots.members import Combined
from strategies.bots.registry import RegisteredStrategy, load_strategies, make_strategy
from tests.strategies.bots import suite

NAMES = list(load_strategies())
PAGES = Path(__file__).parents[3] / "docs" / "bots"
every_strategy = pytest.mark.parametrize("name", NAMES)
every_direction = pytest.mark.parametrize("direction", StrategyParams.DIRECTIONS)


def wrong_values(name: str) -> list[dict[str, Any]]:
    """Return one map of parameters for each way to be wrong."""
    declared = fields(load_strategies().get(name).Params)
    ranged = [one for one in declared if one.metadata]
    numbers = {one.name for one in declared if type(one.default) in {int, float}}
    assert numbers <= {*(one.name for one in ranged), "size_pct"}, "a number without a range"
    return [
        *({one.name: one.metadata["low"] - 1} for one in ranged),
        *({one.name: one.metadata["high"] + 1} for one in ranged),
        *({one.name: "much"} for one in ranged),
        *({one.name: float("nan")} for one in ranged),
        *({one.name: None} for one in declared),
        *({one.name: {"a": "map"}} for one in declared),
        {"size_pct": 0},
        {"size_pct": 100.1},
        {"size_pct": "inf"},
        {"direction": "up\nand down"},
        {"session_from": "9:30"},
        {"session_to": "24:00"},
        {"square_off": "15:20+05:30"},
        {"cooldown_bars": 1.5},
        {"adaptive": "perhaps"},
        {"nobody's\nparameter": 1},
    ]


@every_strategy
def test_strategy_when_made_without_parameters_takes_its_defaults(name: str) -> None:
    made = make_strategy(name, {})
    assert made.params == type(made).Params()
    assert type(made.params) is not StrategyParams
    suite.check_weight_sets(made)


@every_strategy
def test_parameters_when_wrong_are_refused_in_one_line(name: str) -> None:
    for values in wrong_values(name):
        with pytest.raises(BadBotParametersError) as caught:
            make_strategy(name, values)
        assert len(str(caught.value).splitlines()) == 1, values


def refusal_of(name: str, values: dict[str, Any]) -> str:
    """Return why the parameters are refused, '' when they are taken."""
    try:
        make_strategy(name, values)
    except BadBotParametersError as refused:
        return str(refused)
    return ""


@every_strategy
def test_parameters_when_at_their_limits_give_weights(name: str) -> None:
    for one in fields(load_strategies().get(name).Params):
        for limit in one.metadata.values():
            refusal = refusal_of(name, {one.name: limit})
            if refusal:
                assert "must be below" in refusal  # the other parameters forbid it
            else:
                suite.check_weight_sets(make_strategy(name, {one.name: limit}))


@every_direction
@every_strategy
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_decide_when_asked_anything_answers_what_is_allowed(
    name: str, direction: str, data: st.DataObject
) -> None:
    strategy = make_strategy(name, {"direction": direction})
    context = data.draw(suite.contexts(strategy))
    intent = strategy.decide(context)
    suite.check_intent(intent, context, strategy.params)
    assert strategy.decide(context) == intent


@every_strategy
def test_decide_when_asked_in_any_order_says_the_same(name: str) -> None:
    def make() -> RegisteredStrategy:
        return make_strategy(name, {"direction": "both"})

    suite.check_pure(make, suite.random_contexts(make(), 200, seed=3))


@every_strategy
def test_decide_when_markets_vary_goes_in_and_out_both_ways(name: str) -> None:
    strategy = make_strategy(name, {"direction": "both"})
    asked = suite.random_contexts(strategy, 3000, seed=4)
    said = {(one.side, one.is_exit) for one in map(strategy.decide, asked)}
    assert said == {(0, False), (1, False), (-1, False), (1, True), (-1, True)}


@every_strategy
def test_page_when_strategy_is_registered_describes_every_parameter(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    for heading in ("Rules", "Parameters", "When it fails"):
        assert f"## {heading}\n" in text
    kind = load_strategies().get(name).Params
    shared = {one.name for one in fields(StrategyParams)}
    own = {one.name: one.default for one in fields(kind)}
    described = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE))
    differ = {one for one in shared if own[one] != getattr(StrategyParams, one)}
    assert set(described) == set(own) - shared | differ
    for one, default in described.items():
        if isinstance(own[one], int | float):
            assert float(default.split(";")[0]) == own[one]
    assert f"[{name}]({name}.md)" in (PAGES / "index.md").read_text(encoding="utf-8")


def test_index_when_read_describes_every_shared_parameter() -> None:
    text = (PAGES / "index.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert set(described) == {one.name for one in fields(StrategyParams)}
    pages = {path.stem for path in PAGES.glob("*.md")}
    assert pages == {"index", *NAMES}


# What the suite must catch, planted.


class Planted(RegisteredStrategy):
    """Looks at the RSI; each heir does one thing that no strategy may do."""

    Params = StrategyParams

    def weight_sets(self) -> dict[str, WeightSet]:
        return {"": WeightSet(("rsi",), (1.0,), 1, -1)}


class Remembers(Planted):
    """Goes by the close it saw last."""

    last = 0.0

    def decide(self, context: BotContext) -> Intent:
        rose, self.last = (context.raw[0] or 0.0) > self.last, context.raw[0] or 0.0
        return Intent(int(rose and not context.position), "rose since I was asked last")


class RemembersTogether(Planted):
    """Goes by what any of its kind saw."""

    asked: list[float] = []  # noqa: RUF012  (shared by all: that is what is wrong with it)

    def decide(self, context: BotContext) -> Intent:
        self.asked.append(context.close)
        return Intent(len(self.asked) % 2, "every second time")


class Guesses(Planted):
    """Goes by chance."""

    def decide(self, context: BotContext) -> Intent:
        return Intent(int(random() > 0.5), "a coin said so")


class AddsOn(Planted):
    """Buys more of what it holds."""

    def decide(self, context: BotContext) -> Intent:
        return Intent(1, "more")


class LeavesTheWrongWay(Planted):
    """Calls an order an exit that makes the position larger."""

    def decide(self, context: BotContext) -> Intent:
        return Intent(context.held, "out" if context.held else "wait", is_exit=bool(context.held))


class GoesShort(Planted):
    """Sells short though nobody allowed it."""

    def decide(self, context: BotContext) -> Intent:
        return Intent(0 if context.position or context.pending else -1, "down")


class CountsAFeature(Planted):
    """Gives weight to what has no direction."""

    def weight_sets(self) -> dict[str, WeightSet]:
        return {"": WeightSet(("rsi", "atr"), (1.0, 1.0), 1, -1)}


class ChangesNames(Planted):
    """Looks at something else in every regime."""

    def weight_sets(self) -> dict[str, WeightSet]:
        return {
            "": WeightSet(("rsi",), (1.0,), 1, -1),
            "trending": WeightSet(("macd",), (1.0,), 1, -1),
        }


@pytest.mark.parametrize("kind", [Remembers, RemembersTogether, Guesses])
def test_purity_when_strategy_depends_on_more_than_its_context_is_refused(
    kind: type[Planted],
) -> None:
    def make() -> RegisteredStrategy:
        return kind(StrategyParams(direction="both"))

    with pytest.raises(AssertionError):
        suite.check_pure(make, suite.random_contexts(make(), 60, seed=6))


@pytest.mark.parametrize("kind", [AddsOn, LeavesTheWrongWay, GoesShort])
def test_intents_when_not_allowed_are_refused(kind: type[Planted]) -> None:
    strategy = kind(StrategyParams())
    asked = suite.random_contexts(strategy, 60, seed=7)
    with pytest.raises(AssertionError):
        suite.check_intents(strategy, asked)


@pytest.mark.parametrize("kind", [CountsAFeature, ChangesNames])
def test_weights_when_not_allowed_are_refused(kind: type[Planted]) -> None:
    with pytest.raises(AssertionError):
        suite.check_weight_sets(kind(StrategyParams()))


def test_combined_when_registered_is_among_those_tested() -> None:
    kinds = [load_strategies().get(name) for name in NAMES]
    assert [kind.__name__ for kind in kinds if issubclass(kind, Combined)] == [
        "Ensemble",
        "RegimeSwitcher",
    ]
