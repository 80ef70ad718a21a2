"""Against exaggeration: in when the RSI is extreme, out when it is back in the middle."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.signals import SCORE_UNIT, WeightSet
from marketdata.indicators.registry import ranged
from strategies.bots.base import BotContext, StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy


@dataclass(frozen=True)
class RsiMeanReversionParams(StrategyParams):
    """Changes averaged, and the two extremes."""

    period: int = ranged(14, 2, 200)
    buy_below: float = ranged(30.0, 1.0, 49.0)
    sell_above: float = ranged(70.0, 51.0, 99.0)


@STRATEGIES.register("rsi_mean_reversion")
class RsiMeanReversion(RegisteredStrategy):
    """The RSI with a negative weight: weakness scores high and is bought, strength is sold."""

    Params = RsiMeanReversionParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return the RSI against its sign, with the extremes as thresholds."""
        buy = round((1.0 - self.params.buy_below / 50.0) * SCORE_UNIT)
        sell = round((1.0 - self.params.sell_above / 50.0) * SCORE_UNIT)
        return {"": WeightSet((f"rsi:period={self.params.period}",), (-1.0,), buy, sell)}

    def leaves(self, context: BotContext, side: int) -> str:
        """Leave once the RSI is at 50 or beyond, where the score is 0."""
        is_back = context.score is not None and context.score * context.held <= 0
        return "the RSI is back at 50" if is_back else ""
