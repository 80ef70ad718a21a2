"""What an indicator declares, for lists and headers."""

from dataclasses import dataclass, fields
from typing import Any

from marketdata.indicators.registry import Indicator, make_indicator


@dataclass(frozen=True, slots=True)
class ParameterFacts:
    """One parameter of an indicator, and the range it must lie in."""

    name: str
    type: str
    default: Any
    low: Any
    high: Any


@dataclass(frozen=True, slots=True)
class IndicatorFacts:
    """What an indicator declares: the first output is its raw value, only directed ones score."""

    name: str
    family: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[ParameterFacts, ...]
    first_value: int
    warmup: int
    is_directed: bool


def column_names(spec: str, indicator: Indicator) -> tuple[str, ...]:
    """Return what an indicator's columns are called: raw, its further outputs, normalised."""
    names = ("raw", *indicator.outputs[1:], *(("normalised",) if indicator.is_directed else ()))
    return tuple(f"{spec} {name}" for name in names)


def lacking(indicator: Indicator, *, has_volume: bool, has_flow: bool) -> str:
    """Return what the indicator reads that an instrument has not, '' when it has all."""
    if "flow" in indicator.inputs and not has_flow:
        return "trades with a side"
    return "volume" if "volume" in indicator.inputs and not has_volume else ""


def facts_of(name: str) -> IndicatorFacts:
    """Return what the registered indicator declares at its default parameters."""
    indicator = make_indicator(name)
    params = indicator.params
    return IndicatorFacts(
        name=name,
        family=indicator.family,
        inputs=indicator.inputs,
        outputs=indicator.outputs,
        parameters=tuple(
            ParameterFacts(
                name=one.name,
                type=type(getattr(params, one.name)).__name__,
                default=getattr(params, one.name),
                low=one.metadata.get("low"),
                high=one.metadata.get("high"),
            )
            for one in fields(params)
        ),
        first_value=indicator.first_value,
        warmup=indicator.warmup,
        is_directed=indicator.is_directed,
    )
