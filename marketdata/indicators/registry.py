"""What an indicator is, how a set names one, and the registry that finds every file here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import marketdata.indicators as folder
from domain.bars import Timeframe
from domain.errors import PlumblineError
from domain.registry import Registry
from marketdata.indicators.columns import INPUTS

Kernel = Callable[..., None]
N = TypeVar("N", int, float)

FAMILIES = ("trend", "momentum", "volatility", "volume", "candles", "structure", "time", "regime")


class ParameterOutOfRangeError(PlumblineError):
    """An indicator parameter lies outside its range."""

    code = "parameter_out_of_range"


class BadIndicatorSetError(PlumblineError):
    """A set names one indicator twice, none at all, or one that is not spelled right."""

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

    def refuse_unless_rising(self, *names: str) -> None:
        """Refuse parameters, such as a fast and a slow period, that do not rise in this order."""
        values = [getattr(self, name) for name in names]
        if any(low >= high for low, high in pairwise(values)):
            got = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
            raise ParameterOutOfRangeError(f"{' must be below '.join(names)}, got: {got}")


@dataclass(frozen=True)
class Indicator:
    """A fold over bars. Its kernel moves `size` floats of state (zeros at first) over bars.

    `kernel(bars, start, first, last, state, numbers, out)` steps over the bars first…last-1:
    `bars[COLUMN, i]` is bar i (see columns.py), `i - start` its age: the fold began with bar
    `start`, which is negative once it no longer lies in the array. Bars before `first` may be
    read, at most `lookback` - 1 back and none before `start`. Column `i - first` of `out` takes
    the outputs, raw value first, and in its last row the normalised value: -1…+1, +1 bullish,
    NaN throughout for a feature (not `is_directed`), which never enters a score. Exactly the
    first `first_value` bars are NaN. After `warmup` bars the bits no longer depend on the bar the
    fold began with. `numbers` are the parameters. A kernel is plain scalar code over these arrays
    (windows of all its bars may fill rows of `out` first): no numpy calls, no closures, no objects;
    it keeps nothing outside `state`.
    """

    name: str
    family: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: IndicatorParams
    first_value: int
    warmup: int
    kernel: Kernel
    numbers: tuple[float, ...] = ()
    lookback: int = 1
    size: int = 0
    is_directed: bool = True

    def __post_init__(self) -> None:
        unknown = sorted(set(self.inputs) - set(INPUTS))
        if unknown or self.family not in FAMILIES:
            raise BadIndicatorSetError(
                f"indicator '{self.name}' has an unknown input or family: {unknown} {self.family}"
            )


INDICATORS: Registry[Callable[..., Indicator]] = Registry("indicator")

DEFAULT_ORDER = ("rsi", "macd", "bollinger", "ema_cross", "parabolic_sar", "supertrend")


@cache
def load_indicators() -> Registry[Callable[..., Indicator]]:
    """Return the registry after importing every indicator file, once."""
    INDICATORS.load(folder)
    return INDICATORS


@dataclass(frozen=True)
class Spec:
    """One indicator as a set spells it: `name[:parameter=value,…][@timeframe]`.

    Without a timeframe it is computed on the bars that are scored, else on the last bar of
    that timeframe closed by then.
    """

    name: str
    parameters: tuple[tuple[str, str], ...]
    timeframe: Timeframe | None


@cache
def parse_spec(text: str) -> Spec:
    """Return what the text says; 'sma_cross:fast=20,slow=50@1h' for example."""
    body, at, timeframe = text.partition("@")
    name, colon, rest = body.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",")] if colon else []
    is_whole = all(one and sign and value for one, sign, value in pairs)
    if not name or not is_whole or (at and not timeframe):
        raise BadIndicatorSetError(
            f"'{text}' names no indicator; write name:parameter=value,…@timeframe"
        )
    return Spec(
        name,
        tuple((one, value) for one, _, value in pairs),
        Timeframe.parse(timeframe) if timeframe else None,
    )


@cache
def make_indicator(text: str) -> Indicator:
    """Return the indicator that a spec names, its parameters checked."""
    spec = parse_spec(text)
    factory = load_indicators().get(spec.name)
    if not spec.parameters:
        return factory()
    usual = factory().params
    kinds: dict[str, Any] = {one.name: type(getattr(usual, one.name)) for one in fields(usual)}
    for name, _ in spec.parameters:
        if name not in kinds:
            known = ", ".join(kinds) or "none"
            raise BadIndicatorSetError(f"'{text}' has no parameter '{name}'; known: {known}")
    given = {name: _read(text, name, kinds[name], value) for name, value in spec.parameters}
    return factory(type(usual)(**given))


def _read(text: str, name: str, kind: Any, value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise BadIndicatorSetError(f"'{text}': {name} must be {wanted}") from None


def indicator_set(names: Sequence[str] = DEFAULT_ORDER) -> tuple[Indicator, ...]:
    """Return the indicators that the specs name, in their order."""
    if not names or len(set(names)) != len(names):
        raise BadIndicatorSetError(f"indicators must be named once each, got: {list(names)}")
    return _indicator_set(tuple(names))


@cache
def _indicator_set(names: tuple[str, ...]) -> tuple[Indicator, ...]:
    return tuple(make_indicator(name) for name in names)
