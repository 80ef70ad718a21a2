"""Follow the composite score: in when it is strong enough, out when it turns."""

from dataclasses import dataclass

from strategies.bots.base import StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy


@dataclass(frozen=True)
class WeightedCompositeParams(StrategyParams):
    """Size, direction and rules; the thresholds belong to the weight version."""


@STRATEGIES.register("weighted_composite")
class WeightedComposite(RegisteredStrategy):
    """Enter on the side of a score past its threshold, leave when it passes the other one.

    The weights are the learned ones, so nothing is left to say here.
    """

    Params = WeightedCompositeParams
