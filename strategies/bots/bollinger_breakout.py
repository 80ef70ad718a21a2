"""With an outbreak: in when a close leaves the Bollinger bands, out at the middle."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.orders import BUY, SELL
from domain.signals import SCORE_UNIT, WeightSet
from marketdata.indicators.registry import ranged
from strategies.bots.base import HOLD, BotContext, StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy


@dataclass(frozen=True)
class BollingerBreakoutParams(StrategyParams):
    """Bars of the window, and standard deviations between middle and band."""

    period: int = ranged(20, 2, 400)
    deviations: float = ranged(2.0, 0.1, 10.0)


@STRATEGIES.register("bollinger_breakout")
class BollingerBreakout(RegisteredStrategy):
    """Enter in the direction of a close beyond a band."""

    Params = BollingerBreakoutParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return the place between the bands: 0 in the middle, ±1 on a band and beyond."""
        name = f"bollinger:period={self.params.period},deviations={self.params.deviations}"
        return {"": WeightSet((name,), (1.0,), SCORE_UNIT, -SCORE_UNIT)}

    def side(self, context: BotContext) -> tuple[int, str]:
        """Return the side of a close beyond a band; on a band is not beyond it."""
        percent_b = context.reading(context.weight_set.names[0]).raw
        if percent_b is not None and percent_b > 1.0:
            return BUY, "closed above the upper band"
        if percent_b is not None and percent_b < 0.0:
            return SELL, "closed below the lower band"
        return HOLD, "closed between the bands"

    def leaves(self, context: BotContext, side: int) -> str:
        """Leave at the middle or beyond it, where the score is 0."""
        is_back = context.score is not None and context.score * context.held <= 0
        return "closed at the middle of the bands" if is_back else ""
