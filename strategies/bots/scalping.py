"""Short swings: fast indicators agree, in; they cool off, out."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.signals import SCORE_UNIT, WeightSet
from marketdata.indicators.registry import ranged
from strategies.bots.base import BotContext, StrategyParams
from strategies.bots.registry import STRATEGIES, RegisteredStrategy


@dataclass(frozen=True)
class ScalpingParams(StrategyParams):
    """Bars of the fast indicators, and the scores that open and close."""

    cooldown_bars: int = ranged(3, 0, 10_000)
    most_per_day: int = ranged(10, 0, 1000)
    fast: int = ranged(5, 2, 200)
    slow: int = ranged(13, 3, 400)
    rsi_period: int = ranged(7, 2, 200)
    enter_at: float = ranged(0.4, 0.01, 1.0)
    leave_at: float = ranged(0.1, 0.0, 0.99)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_unless_rising("fast", "slow")
        self.refuse_unless_rising("leave_at", "enter_at")


@STRATEGIES.register("scalping")
class Scalping(RegisteredStrategy):
    """Follow a fast cross, a fast RSI and the day's average price while they agree."""

    Params = ScalpingParams

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return the three in equal parts."""
        cross = f"ema_cross:fast={self.params.fast},slow={self.params.slow}"
        names = (cross, f"rsi:period={self.params.rsi_period}", "vwap")
        threshold = round(self.params.enter_at * SCORE_UNIT)
        return {"": WeightSet(names, (1.0, 1.0, 1.0), threshold, -threshold)}

    def leaves(self, context: BotContext, side: int) -> str:
        """Leave as soon as the score no longer carries the position."""
        least = round(self.params.leave_at * SCORE_UNIT)
        is_weak = context.score is not None and context.score * context.held <= least
        return "the score cooled off" if is_weak else ""
