"""Follow the composite score: in when it is strong enough, out when it turns."""

from dataclasses import dataclass

from domain.orders import BUY, SELL
from strategies.bots.base import HOLD, BotContext, Intent, StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy


@dataclass(frozen=True)
class WeightedCompositeParams(StrategyParams):
    """Size and direction; the thresholds belong to the weight version."""


@STRATEGIES.register("weighted_composite")
class WeightedComposite(RegisteredStrategy):
    """Enter on the side of a score past its threshold, leave when it passes the other one."""

    Params = WeightedCompositeParams

    def decide(self, context: BotContext) -> Intent:
        """Return the intent for one instrument."""
        if context.score is None:
            return Intent(HOLD, "no score yet")
        if context.pending:
            return Intent(HOLD, "an order is working")
        side = context.weight_set.side_of(context.score)
        if side == HOLD:
            return Intent(HOLD, "score between thresholds")
        if context.position:
            if (context.position > 0) == (side == BUY):
                return Intent(HOLD, "already in position")
            return Intent(side, "score passed the opposite threshold", is_exit=True)
        if side == SELL and self.params.direction == "long":
            return Intent(HOLD, "long only")
        if side == BUY and self.params.direction == "short":
            return Intent(HOLD, "short only")
        return Intent(side, "score passed its threshold")
