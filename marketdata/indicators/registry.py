"""What an indicator is, and the registry that finds every file of this folder."""

from collections.abc import Callable, MutableSequence, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TypeVar

import marketdata.indicators as folder
from domain.errors import PlumblineError
from domain.registry import Registry

State = MutableSequence[float]
Step = Callable[[State, float, float, float, float, float], tuple[float, float]]
N = TypeVar("N", int, float)


class ParameterOutOfRangeError(PlumblineError):
    """An indicator parameter lies outside its range."""

    code = "parameter_out_of_range"


class BadIndicatorSetError(PlumblineError):
    """A set names one indicator twice, or none at all."""

    code = "bad_indicator_set"


def ranged(default: N, low: N, high: N) -> N:
    """Return a dataclass field with a default and the range `IndicatorParams` enforces."""
    declared: N = field(default=default, metadata={"low": low, "high": high})
    return declared


@dataclass(frozen=True)
class IndicatorParams:
    """Base of every parameter class: each field made with `ranged` is checked at the door."""

    def __post_init__(self) -> None:
        for declared in fields(self):
            value, limits = getattr(self, declared.name), declared.metadata
            # written so that NaN, which compares false, is refused too
            if limits and not limits["low"] <= value <= limits["high"]:
                span = f"{limits['low']} to {limits['high']}"
                raise ParameterOutOfRangeError(f"{declared.name} is {value}, allowed: {span}")


@dataclass(frozen=True)
class Indicator:
    """A fold over bars: `step` moves `size` floats of state (zeros at first) by one bar.

    `step(state, open, high, low, close, volume)` returns (raw, normalised): raw is the first of
    `outputs`, which lie in the first floats of the state; normalised is in -1…+1, +1 bullish.
    Exactly the first `first_value` bars are NaN. After `warmup` bars the bits no longer depend
    on the bar the fold began with. A step is scalar code without numpy, so it can be compiled.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: IndicatorParams
    first_value: int
    warmup: int
    size: int
    step: Step

    def empty_state(self) -> list[float]:
        """Return the state before the first bar."""
        return [0.0] * self.size


INDICATORS: Registry[Callable[..., Indicator]] = Registry("indicator")

DEFAULT_ORDER = ("rsi", "macd", "bollinger", "ema_cross", "parabolic_sar", "supertrend")


@cache
def load_indicators() -> Registry[Callable[..., Indicator]]:
    """Return the registry after importing every indicator file, once."""
    INDICATORS.load(folder)
    return INDICATORS


def indicator_set(names: Sequence[str] = DEFAULT_ORDER) -> tuple[Indicator, ...]:
    """Return the named indicators with their default parameters, in the order of `names`."""
    if not names or len(set(names)) != len(names):
        raise BadIndicatorSetError(f"indicators must be named once each, got: {list(names)}")
    return _indicator_set(tuple(names))


@cache
def _indicator_set(names: tuple[str, ...]) -> tuple[Indicator, ...]:
    registry = load_indicators()
    return tuple(registry.get(name)() for name in names)
