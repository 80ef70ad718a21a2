"""Prices to test on, and the checks every indicator must pass; planted bad ones must fail them."""

import csv
import gzip
import importlib.util
import math
import random
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np

from domain.bars import Bar, BarSeries, Timeframe, series_of
from marketdata.indicators.fold import BlockFold, block_of, indicator_matrix
from marketdata.indicators.registry import Indicator

Pair = tuple[float, float]
Compute = Callable[[BarSeries], list[Pair]]
START = datetime(2004, 2, 27, tzinfo=UTC)


@cache
def daily_bars(symbol: str) -> tuple[Bar, ...]:
    """Return the raw daily history of one of AAPL, FB, GOOG, IBM, MSFT, from the package data."""
    found = importlib.util.find_spec("bokeh_sampledata")
    path = Path(found.submodule_search_locations[0]) / "_data" / "stocks.csv.gz"
    bars = []
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            if row["Ticker"] != symbol:
                continue
            opened = datetime.fromisoformat(row["Date"]).replace(tzinfo=UTC)
            open_, high, low, close = (float(row[c]) for c in ("Open", "High", "Low", "Close"))
            high, low = max(high, open_, close), min(low, open_, close)
            closed = opened + timedelta(days=1)
            bars.append(Bar(opened, closed, open_, high, low, close, float(row["Volume"])))
    return tuple(bars)


def bars_at(bars: tuple[Bar, ...], timeframe: Timeframe) -> tuple[Bar, ...]:
    """Return the same prices as if they had come one after the other in `timeframe`."""
    return tuple(
        Bar(
            START + place * timeframe.length,
            START + (place + 1) * timeframe.length,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
        )
        for place, bar in enumerate(bars)
    )


def made_bars(closes: list[float], half_range: float = 0.0) -> tuple[Bar, ...]:
    """Return daily bars with these closes, high and low `half_range` of the close away."""
    day = timedelta(days=1)
    return tuple(
        Bar(
            START + place * day,
            START + (place + 1) * day,
            close,
            close * (1.0 + half_range),
            close * (1.0 - half_range),
            close,
            1000.0,
        )
        for place, close in enumerate(closes)
    )


def walk_bars(size: int, seed: int, volatility: float = 0.01) -> tuple[Bar, ...]:
    """Return a labelled-synthetic random walk with cents as ticks."""
    chance = random.Random(seed)
    price, closes = 100.0, []
    for _ in range(size):
        price *= math.exp(chance.gauss(0.0, volatility))
        closes.append(round(price, 2))
    return made_bars(closes, 0.003)


@cache
def price_kinds() -> dict[str, tuple[Bar, ...]]:
    """Return the markets on which warm-up must hold: real, trending and motionless ones."""
    moving = [bar.close for bar in walk_bars(1300, seed=5)]
    return {
        "real": daily_bars("AAPL"),
        "real steady": daily_bars("IBM"),
        "rising": made_bars([100.0 * 1.001**day for day in range(2400)], 0.002),
        "falling": made_bars([100.0 - 0.025 * day for day in range(2400)], 0.002),
        "motionless": made_bars([100.1] * 2400),
        "motionless with range": made_bars([100.1] * 2400, 0.004),
        "coming to a halt": made_bars([*moving, *[moving[-1]] * 1500]),
        "fallen to a halt": made_bars(
            [*(100.0 - 0.05 * day for day in range(800)), *[60.05] * 1600], 0.003
        ),
    }


def bits(rows: Sequence[tuple[float, ...]]) -> list[bytes]:
    """Return the exact bits of each row; every NaN counts as the same."""
    clean = [tuple(math.nan if math.isnan(value) else value for value in row) for row in rows]
    return [struct.pack(f"<{len(row)}d", *row) for row in clean]


def fold_over(indicator: Indicator, bars: tuple[Bar, ...]) -> list[Pair]:
    """Return (raw, normalised) per bar, the fold begun at the first of `bars`."""
    state = indicator.empty_state()
    return [
        indicator.step(state, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars
    ]


def outputs_over(indicator: Indicator, bars: tuple[Bar, ...]) -> list[tuple[float, ...]]:
    """Return every output and the normalised value per bar."""
    state, rows = indicator.empty_state(), []
    for bar in bars:
        pair = indicator.step(state, bar.open, bar.high, bar.low, bar.close, bar.volume)
        rows.append((*state[: len(indicator.outputs)], pair[1]))
    return rows


def batch_of(indicator: Indicator, timeframe: Timeframe = Timeframe.D1) -> Compute:
    """Return the batch computation of one indicator."""

    def compute(series: BarSeries) -> list[Pair]:
        matrix = indicator_matrix(series, timeframe, (indicator,))
        return list(zip(matrix.raw[:, 0].tolist(), matrix.normalised[:, 0].tolist(), strict=True))

    return compute


def check_no_look_ahead(compute: Compute, bars: tuple[Bar, ...], cuts: int, seed: int) -> None:
    """Fail when a value changes once later bars are cut away."""
    series, chance = series_of(bars), random.Random(seed)
    full = bits(compute(series))
    for _ in range(cuts):
        cut = chance.randrange(1, len(bars))
        assert bits(compute(series[:cut])) == full[:cut], f"a value before bar {cut} looked ahead"


def check_streaming_equals_batch(
    indicator: Indicator, compute: Compute, bars: tuple[Bar, ...], timeframe: Timeframe
) -> None:
    """Fail when stepping bar by bar, in new blocks where they begin, gives other bits."""
    streamed: list[Pair] = []
    block, fold = None, None
    for place, bar in enumerate(bars):
        own = block_of(timeframe, bar.opened_at)
        if own != block:
            block, fold = own, BlockFold((indicator,), own, bars[:place])
        fold.step(bar)
        raw, normalised = fold.raw[0], fold.normalised[0]
        streamed.append(
            (math.nan if raw is None else raw, math.nan if normalised is None else normalised)
        )
    assert bits(streamed) == bits(compute(series_of(bars)))


def check_pure(indicator: Indicator, bars: tuple[Bar, ...], others: tuple[Bar, ...]) -> None:
    """Fail when a step remembers anything outside the state it is handed."""
    alone = bits(fold_over(indicator, bars))
    state, other_state, mixed = indicator.empty_state(), indicator.empty_state(), []
    for bar, other in zip(bars, others, strict=False):
        mixed.append(indicator.step(state, bar.open, bar.high, bar.low, bar.close, bar.volume))
        indicator.step(other_state, other.open, other.high, other.low, other.close, other.volume)
    assert bits(mixed) == alone[: len(mixed)]


def check_shape(indicator: Indicator, bars: tuple[Bar, ...]) -> None:
    """Fail unless NaN exactly before the first value, inside -1…+1 and outputs in the state."""
    state = indicator.empty_state()
    assert len(state) == indicator.size >= len(indicator.outputs) > 0
    for place, bar in enumerate(bars):
        pair = indicator.step(state, bar.open, bar.high, bar.low, bar.close, bar.volume)
        is_early = place < indicator.first_value
        assert [math.isnan(value) for value in pair] == [is_early, is_early], f"bar {place}"
        outputs = state[: len(indicator.outputs)]
        assert [math.isnan(value) for value in outputs] == [is_early] * len(outputs)
        if not is_early:
            assert -1.0 <= pair[1] <= 1.0
            assert outputs[0] == pair[0]
        assert len(state) == indicator.size
        assert all(type(value) is float for value in (*pair, *state))


def check_warm_up(
    indicator: Indicator, bars: tuple[Bar, ...], starts: int, seed: int, followed: int = 120
) -> None:
    """Fail when, a warm-up after a random start, any bit differs from the full history's."""
    assert len(bars) > indicator.warmup + 1, "too few bars to show anything"
    full, chance = bits(outputs_over(indicator, bars)), random.Random(seed)
    for _ in range(starts):
        start = chance.randrange(0, len(bars) - indicator.warmup)
        end = min(len(bars), start + indicator.warmup + followed)
        part = bits(outputs_over(indicator, bars[start:end]))
        same = part[indicator.warmup :] == full[start + indicator.warmup : end]
        assert same, f"{indicator.name} begun at bar {start} still differs after its warm-up"


def check_varies(indicator: Indicator, bars: tuple[Bar, ...]) -> None:
    """Fail unless the normalised value takes both signs and moves on real prices."""
    values = np.array([pair[1] for pair in fold_over(indicator, bars)[indicator.first_value :]])
    assert values.std() > 0.05
    assert values.min() < -0.1
    assert values.max() > 0.1
