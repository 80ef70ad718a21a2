"""What a strategy is asked and what it answers."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Protocol, TypeVar

from domain.errors import PlumblineError
from domain.signals import WeightSet


class BadBotParametersError(PlumblineError):
    """A parameter is unknown, of the wrong kind or out of range."""

    code = "bad_bot_parameters"


@dataclass(frozen=True, slots=True)
class BotContext:
    """Everything a strategy may look at for one instrument at one closing instant."""

    symbol: str
    closed_at: datetime
    close: float
    score: int | None  # in 1e-9; None while nothing is warm
    weight_set: WeightSet
    position: Decimal  # signed quantity this bot holds
    pending: bool  # an order of this bot on this instrument is still working


@dataclass(frozen=True, slots=True)
class Intent:
    """Buy (+1), sell (-1) or hold (0), and why; an exit closes what is held."""

    side: int
    reason: str
    is_exit: bool = False


HOLD = 0


class Strategy(Protocol):
    """A strategy: parameters in, one intent per instrument and instant out."""

    def decide(self, context: BotContext) -> Intent:
        """Return what to do with one instrument at one instant."""
        ...


P = TypeVar("P", bound="StrategyParams")


@dataclass(frozen=True)
class StrategyParams:
    """Base of typed parameters; every strategy sizes entries as a share of equity."""

    size_pct: float = 10.0  # of marked equity, before risk's own cap
    direction: str = "long"

    DIRECTIONS: ClassVar[tuple[str, ...]] = ("long", "short", "both")

    def __post_init__(self) -> None:
        if not 0 < self.size_pct <= 100:
            raise BadBotParametersError(f"size_pct is {self.size_pct}, allowed: above 0 to 100")
        if self.direction not in self.DIRECTIONS:
            known = ", ".join(self.DIRECTIONS)
            raise BadBotParametersError(f"unknown direction '{self.direction}'; known: {known}")

    @classmethod
    def parse(cls: type[P], values: dict[str, Any]) -> P:
        """Return the parameters, defaults filled in; unknown names and wrong kinds are refused."""
        kinds: dict[str, Callable[[Any], Any]] = {
            one.name: type(one.default) for one in fields(cls)
        }
        unknown = sorted(set(values) - set(kinds))
        if unknown:
            known = ", ".join(sorted(kinds))
            raise BadBotParametersError(f"unknown parameter '{unknown[0]}'; known: {known}")
        try:
            return cls(**{name: kinds[name](value) for name, value in values.items()})
        except (TypeError, ValueError) as error:
            raise BadBotParametersError(f"a parameter is of the wrong kind: {error}") from None
