"""The registry that finds every strategy file of this folder."""

from functools import cache
from typing import Any

import strategies.bots as folder
from domain.registry import Registry
from strategies.bots.base import Strategy, StrategyParams

STRATEGIES: Registry[type["RegisteredStrategy"]] = Registry("strategy")


class RegisteredStrategy(Strategy):
    """A strategy with its parameter class, as registered."""

    Params: type[StrategyParams]

    def __init__(self, params: Any) -> None:
        self.params = params


@cache
def load_strategies() -> Registry[type[RegisteredStrategy]]:
    """Return the registry after importing every strategy file, once."""
    STRATEGIES.load(folder)
    return STRATEGIES


def make_strategy(name: str, parameters: dict[str, Any]) -> RegisteredStrategy:
    """Return the named strategy with its parameters checked."""
    kind = load_strategies().get(name)
    return kind(kind.Params.parse(parameters))
