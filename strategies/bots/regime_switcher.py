"""A strategy for each kind of market: the regime of the bar says which member decides."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.signals import WeightSet
from strategies.bots.base import HOLD, BotContext, Intent, StrategyParams
from strategies.bots.members import Combined, Member, own_weights, spread_over, union
from strategies.bots.registry import STRATEGIES

REGIMES = ("trending", "ranging", "volatile")


@dataclass(frozen=True)
class RegimeSwitcherParams(StrategyParams):
    """The member of each regime; size, direction and rules are shared by all."""

    trending: Member = Member("momentum_rider")  # noqa: RUF009  (frozen, never changed)
    ranging: Member = Member("rsi_mean_reversion")  # noqa: RUF009
    volatile: Member = Member("bollinger_breakout")  # noqa: RUF009


@STRATEGIES.register("regime_switcher")
class RegimeSwitcher(Combined):
    """Let the active member decide, about a position that another one opened too."""

    Params = RegimeSwitcherParams

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.chosen = {one: getattr(params, one) for one in REGIMES}
        self.members = {
            regime: self.member(one, params.direction) for regime, one in self.chosen.items()
        }

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return each member's weights for its regime, and the ranging one's for an unknown one."""
        names = union(list(self.members.values()))
        sets = {}
        for regime, member in self.members.items():
            own = own_weights(member, regime)
            sets[regime] = replace(own, names=names, weights=spread_over(names, own))
        return {"": sets["ranging"], **sets}

    def decide(self, context: BotContext) -> Intent:
        """Return the active member's intent; without a known regime nothing is decided."""
        regime = context.regime.trend
        if regime not in self.members:
            return Intent(HOLD, "no regime is known yet")
        member = self.members[regime]
        intent = member.decide(self.shown_to(member, context))
        return replace(intent, reason=f"{self.chosen[regime].strategy}: {intent.reason}"[:80])
