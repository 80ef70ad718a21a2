"""What a strategy is asked and what it answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import Any, ClassVar, Protocol, TypeVar

from domain.bars import Timeframe
from domain.errors import PlumblineError
from domain.options import Greeks, OptionChain
from domain.signals import NO_REGIME, Regime, WeightSet
from marketdata.indicators.registry import ranged


class BadBotParametersError(PlumblineError):
    """A parameter is unknown, of the wrong kind or out of range."""

    code = "bad_bot_parameters"


@dataclass(frozen=True, slots=True)
class Reading:
    """One indicator at the deciding bar and one bar earlier, None where it has no value."""

    raw: float | None
    normalised: float | None
    raw_before: float | None
    normalised_before: float | None


@dataclass(frozen=True, slots=True)
class BotContext:
    """Everything a strategy may look at for one instrument at one closing instant.

    The four tuples lie in the order of `weight_set.names`.
    """

    symbol: str
    timeframe: Timeframe
    closed_at: datetime
    close: float
    score: int | None  # in 1e-9; None while nothing is warm
    weight_set: WeightSet
    raw: tuple[float | None, ...]
    normalised: tuple[float | None, ...]
    raw_before: tuple[float | None, ...]
    normalised_before: tuple[float | None, ...]
    position: Decimal  # signed quantity this bot holds
    pending: bool  # an order of this bot on this instrument is still working
    regime: Regime = NO_REGIME
    zone: str = "UTC"  # of the instrument's exchange
    chain: OptionChain | None = None  # the newest known then, for strategies that ask for it
    greeks: Greeks | None = None  # of the position, where it is in options

    @property
    def held(self) -> int:
        """Return +1 for a long position, -1 for a short one, 0 for none."""
        return (self.position > 0) - (self.position < 0)

    def reading(self, name: str) -> Reading:
        """Return one indicator's values by its name in the weights."""
        place = self.weight_set.names.index(name)
        return Reading(
            self.raw[place],
            self.normalised[place],
            self.raw_before[place],
            self.normalised_before[place],
        )


@dataclass(frozen=True, slots=True)
class Intent:
    """Buy (+1), sell (-1) or hold (0), and why; an exit closes what is held."""

    side: int
    reason: str
    is_exit: bool = False


HOLD = 0
# How much farther a score must go, in 1e-9: noise grows with volatility, conviction does not.
VOLATILE_FACTOR = 1_500_000_000
HIGH_VOLATILITY_FACTOR = 1_250_000_000


def adapted(weight_set: WeightSet, regime: Regime) -> WeightSet:
    """Return the weights with thresholds as far from 0 as an entry must go in this regime.

    Thresholds on one side of 0 stay: there, farther is not stricter.
    """
    if not weight_set.sell_threshold < 0 < weight_set.buy_threshold:
        return weight_set
    if regime.trend == "volatile":
        return weight_set.scaled(VOLATILE_FACTOR)
    if regime.volatility == "high":
        return weight_set.scaled(HIGH_VOLATILITY_FACTOR)
    return weight_set


class Strategy(Protocol):
    """A strategy: parameters in, one intent per instrument and instant out."""

    def decide(self, context: BotContext) -> Intent:
        """Return what to do with one instrument at one instant."""
        ...


P = TypeVar("P", bound="StrategyParams")


@dataclass(frozen=True)
class StrategyParams:
    """Base of typed parameters: size, direction, and the rules every entry passes.

    Rules left at their default are off: see strategies/confirmation.py.
    """

    size_pct: float = 10.0  # of the bot's capital, before risk's own cap
    direction: str = "long"
    cooldown_bars: int = ranged(0, 0, 10_000)  # without another entry on the instrument
    most_per_day: int = ranged(0, 0, 1000)  # entries per instrument and exchange day
    agreeing_pct: float = ranged(0.0, 0.0, 100.0)  # share of the weight that points its way
    agreeing_timeframes: bool = False  # the indicators of each timeframe together, too
    adaptive: bool = False  # entry thresholds rise with volatility
    session_from: str = ""  # HH:MM on the exchange's clock: entries only from then on,
    session_to: str = ""  # until then
    square_off: str = ""  # and nothing is held past it

    DIRECTIONS: ClassVar[tuple[str, ...]] = ("long", "short", "both")

    def __post_init__(self) -> None:
        if not 0 < self.size_pct <= 100:
            raise BadBotParametersError(f"size_pct is {self.size_pct}, allowed: above 0 to 100")
        if self.direction not in self.DIRECTIONS:
            known = ", ".join(self.DIRECTIONS)
            raise BadBotParametersError(f"unknown direction {self.direction!r}; known: {known}")
        for declared in fields(self):
            value, limits = getattr(self, declared.name), declared.metadata
            # written so that NaN, which compares false, is refused too
            if limits and not limits["low"] <= value <= limits["high"]:
                span = f"{limits['low']} to {limits['high']}"
                raise BadBotParametersError(f"{declared.name} is {value}, allowed: {span}")
        for name in ("session_from", "session_to", "square_off"):
            clock(name, getattr(self, name))

    def refuse_unless_rising(self, *names: str) -> None:
        """Refuse parameters, such as a fast and a slow period, that do not rise in this order."""
        values = [getattr(self, name) for name in names]
        if any(low >= high for low, high in pairwise(values)):
            got = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
            raise BadBotParametersError(f"{' must be below '.join(names)}, got: {got}")

    @classmethod
    def parse(cls: type[P], values: dict[str, Any]) -> P:
        """Return the parameters, defaults filled in; unknown names and wrong kinds are refused."""
        if not isinstance(values, dict):
            raise BadBotParametersError(f"parameters are {values!r}, wanted: names with values")
        kinds = {one.name: type(one.default) for one in fields(cls)}
        unknown = sorted(set(values) - set(kinds))
        if unknown:
            known = ", ".join(sorted(kinds))
            raise BadBotParametersError(f"unknown parameter {unknown[0]!r}; known: {known}")
        return cls(**{name: _as_kind(name, value, kinds[name]) for name, value in values.items()})


def clock(name: str, text: str) -> time | None:
    """Return the time of day that HH:MM says, None for nothing."""
    if not text:
        return None
    if re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        return time.fromisoformat(text)
    raise BadBotParametersError(f"{name} is {text!r}, write HH:MM such as 09:30")


KINDS: Mapping[type, Callable[[Any], Any]] = {int: int, float: float, str: str}
# Text that is a number to everybody: no other script's digits, no 1_000, 1e3 or nan.
PLAIN: Mapping[Any, str] = {int: r"[+-]?[0-9]+", float: r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"}


def _as_kind(name: str, value: Any, kind: Any) -> Any:
    """Return the value as the parameter's own kind; text is read, nothing is guessed."""
    if kind is bool:
        words = {True: True, False: False, "true": True, "false": False}
        plain = value.lower() if isinstance(value, str) else value
        if isinstance(plain, bool | str) and plain in words:
            return words[plain]
    elif kind not in KINDS:  # a kind of its own that reads itself
        return kind.parse(name, value)
    elif isinstance(value, str) and not re.fullmatch(PLAIN.get(kind, "(?s:.*)"), value):
        pass
    elif not isinstance(value, bool | list | dict):
        try:
            read = KINDS[kind](value)
        except (TypeError, ValueError, OverflowError):
            read = None
        if read is not None and (kind is not int or not isinstance(value, float) or read == value):
            return read
    raise BadBotParametersError(f"{name} is {value!r}, wanted: {kind.__name__}")
