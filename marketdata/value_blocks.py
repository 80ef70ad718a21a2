"""Every output of chosen indicators at every bar, block after block, with the bits of a score."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import numpy as np

from domain.bars import BarSeries, FloatArray, Split, Timeframe, from_micros, to_micros
from marketdata.indicators.columns import BESIDE
from marketdata.indicators.fold import (
    Block,
    Extras,
    block_of,
    check_bars,
    columns_of,
    lead_length,
    outputs_over,
    wants_extras,
)
from marketdata.indicators.registry import Indicator, make_indicator


@dataclass(frozen=True)
class BlockValues:
    """The bars of one block, and per indicator its outputs and, last, its normalised value."""

    bars: BarSeries
    outputs: tuple[FloatArray, ...]


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


def value_blocks(
    series: BarSeries,
    timeframe: Timeframe,
    indicators: Sequence[Indicator],
    *,
    since: datetime,
    splits: Sequence[Split] = (),
    holes: Sequence[datetime] = (),
    extras: Extras | None = None,
) -> Iterator[BlockValues]:
    """Yield the values at the bars opened from `since` on, one block at a time.

    `series` holds raw prices and reaches back over the lead of the block that holds `since`.
    `holes` are missing bars in rising order: behind one, a block that reaches over it has none.
    """
    check_bars(series)
    missing = np.array([to_micros(hole) for hole in holes], dtype=np.int64)
    lead = lead_length(indicators)
    begin = int(np.searchsorted(series.opened_at, to_micros(since)))
    while begin < len(series):
        block = block_of(timeframe, from_micros(int(series.opened_at[begin])), splits)
        end = _block_end(series, timeframe, splits, begin, block)
        period = int(np.searchsorted(series.opened_at, to_micros(block.period_start)))
        first = max(0, period - lead)
        known = [(to_micros(one.effective_at), one.ratio) for one in block.splits]
        columns = columns_of(series[first:end], known)
        if extras and wants_extras(indicators):
            columns[BESIDE:] = extras(series.opened_at[first:end])
        starts = [max(0, period - one.warmup) - first for one in indicators]
        bars = series[begin:end]
        over = np.searchsorted(missing, bars.opened_at)
        is_hidden = over > np.searchsorted(missing, series.opened_at[first])
        outputs = tuple(
            np.where(is_hidden, np.nan, out[:, begin - end :])
            for out in outputs_over(indicators, columns, starts)
        )
        yield BlockValues(bars, outputs)
        begin = end


def _block_end(
    series: BarSeries, timeframe: Timeframe, splits: Sequence[Split], begin: int, block: Block
) -> int:
    """Return where the next block begins: blocks follow one another, so halving finds it."""
    low, high = begin + 1, len(series)
    while low < high:
        middle = (low + high) // 2
        opened = from_micros(int(series.opened_at[middle]))
        is_same = block_of(timeframe, opened, splits) == block
        low, high = (middle + 1, high) if is_same else (low, middle)
    return low


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
