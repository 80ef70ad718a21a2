"""Stored bars to scored ones, many at once: what the walk would have scored at each. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from domain.bars import BarSeries, Split, Timeframe, from_micros, to_micros
from domain.instruments import InstrumentTerms
from domain.signals import WeightSet
from execution.trade_cycle import ScoredBar, ScoreKey, score_instant
from marketdata.indicators.columns import BESIDE
from marketdata.indicators.fold import (
    Block,
    Extras,
    Values,
    block_of,
    columns_of,
    lead_length,
    outputs_over,
    wants_extras,
)
from marketdata.indicators.registry import Indicator
from mlweights.readings import Layout, Readings
from mlweights.regimes import regime_of

CODES = 2  # a detector's first outputs: trend and volatility
KINDS = 4  # raw, normalised, and both one bar earlier


@dataclass(frozen=True)
class Examined:
    """One instrument as a bot sees it: `series` lies in the order of the layout's timeframes."""

    terms: InstrumentTerms
    layout: Layout
    detector: Indicator
    weights: Mapping[str, WeightSet]
    source: str
    series: tuple[BarSeries, ...]
    extras: tuple[Extras | None, ...]

    @property
    def timeframe(self) -> Timeframe:
        """Return what its scored bars last."""
        return self.layout.timeframes[0]

    @property
    def key(self) -> ScoreKey:
        """Return what names its score at an instant."""
        return (self.terms.id, self.timeframe.value, self.source)


@dataclass(frozen=True)
class _Fold:
    """What one fold says at the bars from `first` on: KINDS lists of bars, and regime codes."""

    first: int
    width: int
    values: list[list[list[float | None]]]
    codes: list[list[float]]

    def row(self, kind: int, bar: int) -> list[float | None]:
        """Return every indicator's value at a bar; -1 is before the first one."""
        kept = self.values[kind]
        return kept[bar - self.first] if bar >= 0 else [None] * self.width


def scored_bars(one: Examined, first: int, last: int) -> list[ScoredBar]:
    """Return the bars `first`…`last`-1 with their scores, computed block by block."""
    if first >= last:
        return []
    closed = one.series[0].closed_at[first:last]
    folds, rows = [], []
    for place, series in enumerate(one.series):
        row = np.searchsorted(series.closed_at, closed, side="right") - 1
        rows.append(row.tolist())
        folds.append(_fold(one, place, max(0, int(row[0])), int(row[-1]) + 1))
    return [
        _scored(one, first + place, folds, newest)
        for place, newest in enumerate(zip(*rows, strict=True))
    ]


def _scored(one: Examined, bar: int, folds: Sequence[_Fold], newest: Sequence[int]) -> ScoredBar:
    """Return bar `bar` scored; `newest` is each fold's own newest bar by then."""
    base = one.series[0]
    closed_at = from_micros(int(base.closed_at[bar]))

    def picked(kind: int) -> Values:
        rows = [fold.row(kind, bar) for fold, bar in zip(folds, newest, strict=True)]
        return tuple([rows[fold][place] for fold, place in one.layout.places])

    raw, normalised, raw_before, normalised_before = (picked(kind) for kind in range(KINDS))
    regime = regime_of(folds[0].codes[bar - folds[0].first])
    return score_instant(
        terms=one.terms,
        timeframe=one.timeframe,
        closed_at=closed_at,
        close=float(base.close[bar]),
        readings=Readings(
            raw, normalised, raw_before, normalised_before, regime, closed_at, bars_hash=""
        ),
        weight_set=one.weights.get(regime.trend) or one.weights[""],
        weight_label="",
        weight_version_id=0,
    )


def _fold(one: Examined, place: int, first: int, last: int) -> _Fold:
    """Return what the fold of one timeframe says at the bars `first`…`last`-1."""
    series, timeframe = one.series[place], one.layout.timeframes[place]
    indicators = one.layout.indicators(place, one.detector)
    size = max(0, last - first)
    values = np.full((KINDS, size, len(indicators)), nan)
    codes = np.full((size, CODES), nan)
    for block, begin, end in _blocks(series, timeframe, one.terms.splits, first, last):
        period = int(np.searchsorted(series.opened_at, to_micros(block.period_start)))
        lead = max(0, period - lead_length(indicators))
        ratios = [(to_micros(split.effective_at), split.ratio) for split in block.splits]
        columns = columns_of(series[lead:end], ratios)
        beside = one.extras[place]
        if beside and wants_extras(indicators):
            columns[BESIDE:] = beside(series.opened_at[lead:end])
        starts = [max(0, period - one.warmup) - lead for one in indicators]
        upto = min(end, last)
        rows = slice(begin - first, upto - first)
        for index, out in enumerate(outputs_over(indicators, columns, starts)):
            here = slice(begin - lead - starts[index], upto - lead - starts[index])
            for kind, found in enumerate((out[0], out[-1])):
                values[kind, rows, index] = found[here]
                # The fold's first bar has none before it.
                values[kind + 2, rows, index] = np.concatenate([[nan], found])[here]
            if place == 0 and index == len(indicators) - 1:
                codes[rows] = out[:CODES, here].T
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return _Fold(first, len(indicators), plain.tolist(), codes.tolist())


def _blocks(
    series: BarSeries, timeframe: Timeframe, splits: Sequence[Split], first: int, last: int
) -> Iterator[tuple[Block, int, int]]:
    """Yield every block with bars of `first`…`last`-1: where those begin, and where it ends."""
    opened = series.opened_at
    while first < last:
        block = block_of(timeframe, from_micros(int(opened[first])), splits)
        low, end = first + 1, len(series)
        while low < end:  # blocks follow one another, so halving finds where the next begins
            middle = (low + end) // 2
            other = block_of(timeframe, from_micros(int(opened[middle])), splits)
            low, end = (middle + 1, end) if other == block else (low, middle)
        yield block, first, end
        first = end
