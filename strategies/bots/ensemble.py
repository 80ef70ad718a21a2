"""Several strategies as one: by vote, by their weighted scores, or by the strongest of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from domain.orders import BUY, SELL, side_word
from domain.signals import SCORE_UNIT, WeightSet
from strategies.bots.base import HOLD, BadBotParametersError, BotContext, StrategyParams
from strategies.bots.members import Combined, Member, Members, own_weights, spread_over, union
from strategies.bots.registry import STRATEGIES

VOTE, WEIGHTED, BEST = METHODS = ("vote", "weighted", "best")
DEFAULT_MEMBERS = Members(map(Member, ("momentum_rider", "sma_crossover", "bollinger_breakout")))


@dataclass(frozen=True)
class EnsembleParams(StrategyParams):
    """How members are heard, and who they are."""

    method: str = VOTE
    members: Members = DEFAULT_MEMBERS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in METHODS:
            known = ", ".join(METHODS)
            raise BadBotParametersError(f"unknown method {self.method!r}; known: {known}")


@STRATEGIES.register("ensemble")
class Ensemble(Combined):
    """Enter where the members, heard by the method, want to stand."""

    Params = EnsembleParams

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.members = [self.member(one, "both") for one in params.members]
        self.weight_sets()  # refuses members that cancel each other out

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return the members' weights and thresholds blended, for each regime one of them knows."""
        regimes = {"", *(regime for one in self.members for regime in one.weight_sets())}
        return {regime: self._blend(regime) for regime in sorted(regimes)}

    def side(self, context: BotContext) -> tuple[int, str]:
        """Return the side the method finds."""
        if self.params.method == WEIGHTED:
            return super().side(context)
        shown = [self.shown_to(one, context) for one in self.members]
        wishes = [
            one.decide(replace(seen, position=Decimal(0), greeks=None))
            for one, seen in zip(self.members, shown, strict=True)
        ]
        if self.params.method == VOTE:
            return _voted([wish.side for wish in wishes])
        willing = [place for place, wish in enumerate(wishes) if wish.side]
        if not willing:
            return HOLD, "no member wants in"
        place = max(willing, key=lambda one: _strength(shown[one]))  # of equals the first
        name = self.params.members[place].strategy
        return wishes[place].side, f"strongest of {len(willing)}: {name}"

    def leaves(self, context: BotContext, side: int) -> str:
        """Leave against the method's side; by vote and best also when most members would."""
        if self.params.method == WEIGHTED:
            return super().leaves(context, side)
        leaving = sum(one.decide(self.shown_to(one, context)).is_exit for one in self.members)
        if 2 * leaving > len(self.members):
            return f"{leaving} of {len(self.members)} members leave"
        return "the members turned" if side not in {HOLD, context.held} else ""

    def _blend(self, regime: str) -> WeightSet:
        """Return the mean of the members' weights, each member counting by its own weight."""
        names = union(self.members)
        shares = [one.weight for one in self.params.members]
        sets = [own_weights(one, regime) for one in self.members]
        weights = [0.0] * len(names)
        for share, own in zip(shares, sets, strict=True):
            whole = sum(map(abs, own.weights))
            for place, weight in enumerate(spread_over(names, own)):
                weights[place] += share * weight / whole
        if not any(weights):
            raise BadBotParametersError("the members cancel each other out: no score is left")
        return WeightSet(
            names,
            tuple(weights),
            _mean(shares, [own.buy_threshold for own in sets]),
            _mean(shares, [own.sell_threshold for own in sets]),
        )


def _mean(shares: Sequence[float], thresholds: Sequence[int]) -> int:
    pairs = zip(shares, thresholds, strict=True)
    return round(sum(share * threshold for share, threshold in pairs) / sum(shares))


def _voted(sides: Sequence[int]) -> tuple[int, str]:
    """Return the side of more than half of all members."""
    for side in (BUY, SELL):
        votes = sides.count(side)
        if 2 * votes > len(sides):
            return side, f"{votes} of {len(sides)} members vote to {side_word(side)}"
    return HOLD, "no majority of the members"


def _strength(context: BotContext) -> float:
    """Return how much of the way from the threshold to ±1 the score has gone."""
    score, weight_set = context.score or 0, context.weight_set
    threshold = weight_set.buy_threshold if score > 0 else -weight_set.sell_threshold
    passed, room = abs(score) - threshold, SCORE_UNIT - threshold
    return passed / room if room else float(passed >= 0)
