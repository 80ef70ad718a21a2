"""The registry that finds every strategy file of this folder."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import strategies.bots as folder
from domain.orders import BUY, SELL
from domain.registry import Registry
from domain.signals import WeightSet
from strategies.bots.base import HOLD, BotContext, Intent, Strategy, StrategyParams

STRATEGIES: Registry[type["RegisteredStrategy"]] = Registry("strategy")


class RegisteredStrategy(Strategy):
    """A strategy with its parameter class, as registered.

    Most need only `weight_sets` (what they look at) and perhaps `side` and `leaves`: `decide`
    does what all have in common.
    """

    Params: type[StrategyParams]
    wants_chain: bool = False  # an option chain in the context

    def __init__(self, params: Any) -> None:
        self.params = params

    def weight_sets(self) -> Mapping[str, WeightSet]:
        """Return the strategy's own weights, by regime, '' for any; empty: the learned ones.

        All name the same indicators in the same order; one that does not count has weight 0.
        """
        return {}

    def side(self, context: BotContext) -> tuple[int, str]:
        """Return +1, -1 or 0 and why: where the strategy would stand without a position."""
        side = HOLD if context.score is None else context.weight_set.side_of(context.score)
        return side, "score passed its threshold" if side else "score between thresholds"

    def leaves(self, context: BotContext, side: int) -> str:
        """Return why the held position is closed, '' to keep it; `side` is what `side` said."""
        is_against = side not in (HOLD, context.held)
        return "score passed the opposite threshold" if is_against else ""

    def decide(self, context: BotContext) -> Intent:
        """Return the intent for one instrument: in on a side, out when it leaves."""
        if context.score is None:
            return Intent(HOLD, "no score yet")
        if context.pending:
            return Intent(HOLD, "an order is working")
        side, reason = self.side(context)
        if context.position:
            why = self.leaves(context, side)
            if why:
                return Intent(-context.held, why, is_exit=True)
            return Intent(HOLD, "already in position" if side else reason)
        if side == SELL and self.params.direction == "long":
            return Intent(HOLD, "long only")
        if side == BUY and self.params.direction == "short":
            return Intent(HOLD, "short only")
        return Intent(side, reason)


@cache
def load_strategies() -> Registry[type[RegisteredStrategy]]:
    """Return the registry after importing every strategy file, once."""
    STRATEGIES.load(folder)
    return STRATEGIES


def make_strategy(name: str, parameters: dict[str, Any]) -> RegisteredStrategy:
    """Return the named strategy with its parameters checked."""
    kind = load_strategies().get(name)
    return kind(kind.Params.parse(parameters))
