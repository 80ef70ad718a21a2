"""Two simple averages: in when the fast one crosses the slow one, out when it crosses back."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.orders import BUY, SELL
from domain.signals import WeightSet
from marketdata.indicators.registry import ranged
from strategies.bots.base import HOLD, BotContext, StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy


@dataclass(frozen=True)
class SmaCrossoverParams(StrategyParams):
    """Bars of both averages."""

    fast: int = ranged(20, 2, 200)
    slow: int = ranged(50, 3, 400)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_unless_rising("fast", "slow")


@STRATEGIES.register("sma_crossover")
class SmaCrossover(RegisteredStrategy):
    """Enter at the bar that crosses, and at no later one; stay while the averages keep sides."""

    Params = SmaCrossoverParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return the spread of both averages alone; any side of 0 passes."""
        name = f"sma_cross:fast={self.params.fast},slow={self.params.slow}"
        return {"": WeightSet((name,), (1.0,), 1, -1)}

    def side(self, context: BotContext) -> tuple[int, str]:
        """Return the side the spread has gone to since the bar before."""
        spread = context.reading(context.weight_set.names[0])
        if spread.raw is None or spread.raw_before is None:
            return HOLD, "no spread to compare with yet"
        if spread.raw_before <= 0.0 < spread.raw:
            return BUY, "the fast average crossed above the slow one"
        if spread.raw_before >= 0.0 > spread.raw:
            return SELL, "the fast average crossed below the slow one"
        return HOLD, "the averages did not cross"

    def leaves(self, context: BotContext, side: int) -> str:
        """Leave at the opposite cross, or as soon afterwards as it may be decided."""
        spread = context.reading(context.weight_set.names[0]).raw
        is_against = spread is not None and spread * context.held < 0.0
        return "the averages crossed back" if is_against else ""
