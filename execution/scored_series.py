"""Stored bars to scored ones, many at once: what the walk would have scored at each. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from domain.bars import BarSeries, Timeframe, from_micros
from domain.instruments import InstrumentTerms
from domain.signals import WeightSet
from execution.trade_cycle import ScoredBar, ScoreKey, score_instant
from marketdata.indicators.blocks import block_values
from marketdata.indicators.fold import (
    Extras,
    Values,
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
    found = block_values(
        *(series, timeframe, indicators),
        first=first,
        last=last,
        splits=one.terms.splits,
        extras=one.extras[place],
    )
    for block in found:
        rows = slice(block.begin - first, block.end - first)
        for index, (now, before) in enumerate(zip(block.now, block.before, strict=True)):
            for kind, row in enumerate((now[0], now[-1], before[0], before[-1])):
                values[kind, rows, index] = row
        if place == 0:
            codes[rows] = block.now[-1][:CODES].T
    plain = values.astype(object)
    plain[np.isnan(values)] = None
    return _Fold(first, len(indicators), plain.tolist(), codes.tolist())
