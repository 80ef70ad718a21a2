"""Ride a trend: in when speed, direction and SuperTrend agree, out when the trend turns."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.signals import SCORE_UNIT, WeightSet
from marketdata.indicators.registry import ranged
from strategies.bots.base import HOLD, BotContext, StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy


@dataclass(frozen=True)
class MomentumRiderParams(StrategyParams):
    """Bars of each indicator, the score to enter at, and the least strength of a trend."""

    roc_period: int = ranged(20, 2, 200)
    adx_period: int = ranged(14, 2, 200)
    least_adx: float = ranged(20.0, 0.0, 100.0)
    trend_period: int = ranged(10, 2, 200)
    multiplier: float = ranged(3.0, 0.1, 20.0)
    enter_at: float = ranged(0.3, 0.01, 1.0)


@STRATEGIES.register("momentum_rider")
class MomentumRider(RegisteredStrategy):
    """Enter a strong trend in its direction and stay until SuperTrend changes sides."""

    Params = MomentumRiderParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return rate of change, directional movement and SuperTrend in equal parts."""
        threshold = round(self.params.enter_at * SCORE_UNIT)
        return {"": WeightSet(self._names(), (1.0, 1.0, 1.0), threshold, -threshold)}

    def side(self, context: BotContext) -> tuple[int, str]:
        """Return the score's side where the trend is strong enough and SuperTrend agrees."""
        side, reason = super().side(context)
        _, adx, trend = map(context.reading, self._names())
        if side == HOLD:
            return side, reason
        if adx.raw is None or adx.raw < self.params.least_adx:
            return HOLD, "the trend is too weak"
        if trend.normalised is None or trend.normalised * side <= 0.0:
            return HOLD, "SuperTrend does not agree"
        return side, "a strong trend in the score's direction"

    def leaves(self, context: BotContext, side: int) -> str:
        """Leave when SuperTrend has changed sides."""
        trend = context.reading(self._names()[2]).normalised
        has_turned = trend is not None and trend * context.held < 0.0
        return "SuperTrend changed sides" if has_turned else ""

    def _names(self) -> tuple[str, str, str]:
        params = self.params
        return (
            f"roc:period={params.roc_period}",
            f"adx:period={params.adx_period}",
            f"supertrend:period={params.trend_period},multiplier={params.multiplier}",
        )
