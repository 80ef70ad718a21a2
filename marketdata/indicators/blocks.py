"""Indicators over stored bars, block after block: the machine code and the bits of live."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import nan

import numpy as np

from domain.bars import BarSeries, FloatArray, Split, Timeframe, from_micros, to_micros
from marketdata.indicators.columns import BESIDE
from marketdata.indicators.fold import (
    Block,
    Extras,
    block_of,
    check_bars,
    checked_splits,
    columns_of,
    lead_length,
    outputs_over,
    wants_extras,
)
from marketdata.indicators.registry import Indicator


@dataclass(frozen=True)
class IndicatorMatrix:
    """Values of n bars by k indicators, float64, NaN where an indicator has none yet."""

    names: tuple[str, ...]
    raw: FloatArray
    normalised: FloatArray


@dataclass(frozen=True)
class BlockValues:
    """What the indicators say at the bars `begin`…`end`-1 of a series, all of one block.

    Per indicator `now` has its outputs and, last, its normalised value, one column per bar;
    `before` the same one bar earlier, NaN before the fold's first. `behind_holes` of the bars have
    no values because their block reaches over a missing bar.
    """

    begin: int
    end: int
    now: tuple[FloatArray, ...]
    before: tuple[FloatArray, ...]
    behind_holes: int = 0


def block_values(
    series: BarSeries,
    timeframe: Timeframe,
    indicators: Sequence[Indicator],
    *,
    first: int = 0,
    last: int | None = None,
    splits: Sequence[Split] = (),
    holes: Sequence[datetime] = (),
    extras: Extras | None = None,
) -> Iterator[BlockValues]:
    """Yield the values at the bars `first`…`last`-1 of `series`, one block at a time.

    `series` holds raw prices and reaches back over the lead of the first block; a later beginning
    counts as the first stored bar. `holes` are missing bars, in rising order: a bar whose block
    reaches over one has no values.
    """
    check_bars(series)
    missing = np.array([to_micros(hole) for hole in holes], dtype=np.int64)
    opened, wanted = series.opened_at, lead_length(indicators)
    begin, last = first, len(series) if last is None else last
    while begin < last:
        block = block_of(timeframe, from_micros(int(opened[begin])), splits)
        end = _block_end(series, timeframe, splits, begin, last, block)
        period = int(np.searchsorted(opened, to_micros(block.period_start)))
        lead = max(0, period - wanted)
        columns = columns_of(series[lead:end], checked_splits(block))
        if extras and wants_extras(indicators):
            columns[BESIDE:] = extras(opened[lead:end])
        starts = [max(0, period - one.warmup) - lead for one in indicators]
        outputs = outputs_over(indicators, columns, starts)
        now = [out[:, begin - end :] for out in outputs]
        before = [_shifted(out, end - begin) for out in outputs]
        hidden = np.searchsorted(missing, opened[begin:end]) > np.searchsorted(
            missing, opened[lead]
        )
        if hidden.any():
            now, before = ([np.where(hidden, nan, out) for out in some] for some in (now, before))
        yield BlockValues(begin, end, tuple(now), tuple(before), int(hidden.sum()))
        begin = end


def indicator_matrix(
    series: BarSeries,
    timeframe: Timeframe,
    indicators: Sequence[Indicator],
    splits: Sequence[Split] = (),
    holes: Sequence[datetime] = (),
    extras: Extras | None = None,
) -> IndicatorMatrix:
    """Return raw and normalised values at every bar of `series`, see `block_values`."""
    raw = np.full((len(series), len(indicators)), nan)
    normalised = np.full((len(series), len(indicators)), nan)
    found = block_values(series, timeframe, indicators, splits=splits, holes=holes, extras=extras)
    for block in found:
        for place, out in enumerate(block.now):
            raw[block.begin : block.end, place] = out[0]
            normalised[block.begin : block.end, place] = out[-1]
    return IndicatorMatrix(tuple(one.name for one in indicators), raw, normalised)


def _shifted(out: FloatArray, size: int) -> FloatArray:
    """Return the last `size` columns as they were one bar earlier."""
    if out.shape[1] > size:
        return out[:, -size - 1 : -1]
    return np.hstack([np.full((out.shape[0], 1), nan), out[:, : size - 1]])


def _block_end(
    series: BarSeries,
    timeframe: Timeframe,
    splits: Sequence[Split],
    begin: int,
    last: int,
    block: Block,
) -> int:
    """Return where the next block begins, at most `last`: halving finds it."""
    low, high = begin + 1, last
    while low < high:
        middle = (low + high) // 2
        opened = from_micros(int(series.opened_at[middle]))
        is_same = block_of(timeframe, opened, splits) == block
        low, high = (middle + 1, high) if is_same else (low, middle)
    return low
