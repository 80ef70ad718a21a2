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

from domain.bars import Bar, BarSeries, FloatArray, IntArray, Timeframe, series_of
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.columns import BESIDE
from marketdata.indicators.fold import (
    Block,
    BlockFold,
    Panel,
    block_of,
    columns_of,
    outputs_over,
    step_together,
)
from marketdata.indicators.registry import Indicator

Pair = tuple[float, float]
Compute = Callable[[BarSeries], FloatArray | list[Pair]]
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


def extras_of(opened_at: IntArray) -> FloatArray:
    """Return what stands beside made-up bars: UTC days as sessions, a flow that swings."""
    day = 86_400 * 1_000_000
    number = opened_at // day
    flow = np.sin(opened_at / day)
    return np.array([number, number * day, (number + 1) * day, 100.0 * flow, 0.0 * flow + 200.0])


# By the identity of the tuple, which is kept beside: made once for all indicators.
_columns: dict[int, tuple[tuple[Bar, ...], FloatArray]] = {}


def columns_over(bars: tuple[Bar, ...]) -> FloatArray:
    """Return what kernels read of the bars."""
    if id(bars) not in _columns:
        series = series_of(bars)
        columns = columns_of(series)
        columns[BESIDE:] = extras_of(series.opened_at)
        _columns[id(bars)] = bars, columns
    return _columns[id(bars)][1]


def table_over(indicator: Indicator, columns: FloatArray) -> FloatArray:
    """Return one row per bar: every output and the normalised value, begun at the first bar."""
    (rows,) = outputs_over((indicator,), np.ascontiguousarray(columns))
    return np.ascontiguousarray(rows.T)


def rows_over(indicator: Indicator, bars: tuple[Bar, ...]) -> list[tuple[float, ...]]:
    """Return every output and the normalised value per bar, the fold begun at the first bar."""
    return [tuple(row) for row in table_over(indicator, columns_over(bars)).tolist()]


def same_bits(first: object, second: object) -> bool:
    """Tell whether two tables are equal to the bit; every NaN counts as the same."""
    tables = [np.array(one, dtype=np.float64) for one in (first, second)]
    for table in tables:
        table[np.isnan(table)] = np.nan
    return np.array_equal(*(table.view(np.int64) for table in tables))


def fold_over(indicator: Indicator, bars: tuple[Bar, ...]) -> list[Pair]:
    """Return (raw, normalised) per bar, the fold begun at the first of `bars`."""
    return [(row[0], row[-1]) for row in rows_over(indicator, bars)]


def batch_of(indicator: Indicator, timeframe: Timeframe = Timeframe.D1) -> Compute:
    """Return the batch computation of one indicator."""

    def compute(series: BarSeries) -> FloatArray:
        matrix = indicator_matrix(series, timeframe, (indicator,), extras=extras_of)
        return np.hstack([matrix.raw, matrix.normalised])

    return compute


def check_no_look_ahead(compute: Compute, bars: tuple[Bar, ...], cuts: int, seed: int) -> None:
    """Fail when a value changes once later bars are cut away."""
    series, chance = series_of(bars), random.Random(seed)
    full = np.array(compute(series))
    for _ in range(cuts):
        cut = chance.randrange(1, len(bars))
        is_same = same_bits(compute(series[:cut]), full[:cut])
        assert is_same, f"a value before bar {cut} looked ahead"


def check_streaming_equals_batch(
    indicator: Indicator, compute: Compute, bars: tuple[Bar, ...], timeframe: Timeframe
) -> None:
    """Fail when stepping bar by bar, in new blocks where they begin, gives other bits."""
    streamed: list[Pair] = []
    block, fold = None, None
    for place, bar in enumerate(bars):
        own = block_of(timeframe, bar.opened_at)
        if own != block:
            block = own
            fold = BlockFold((indicator,), own, bars[:place], extras=extras_of)
        fold.step(bar)
        raw, normalised = fold.raw[0], fold.normalised[0]
        streamed.append(
            (math.nan if raw is None else raw, math.nan if normalised is None else normalised)
        )
    assert same_bits(streamed, compute(series_of(bars)))


def check_pure(indicator: Indicator, bars: tuple[Bar, ...], others: tuple[Bar, ...]) -> None:
    """Fail when a kernel remembers anything outside the state it is handed, or reads far back."""
    alone = rows_over(indicator, bars)
    panel = Panel((indicator,), slots=2, room=3)  # slides all the time
    period = Block(bars[0].opened_at, ())
    folds = [
        BlockFold((indicator,), period, (first[0],), panel=panel, extras=extras_of)
        for first in (bars, others)
    ]
    mixed = [panel.row(folds[0].slot, 0)]
    for bar, other in zip(bars[1:], others[1:], strict=False):
        step_together(folds, [bar, other])
        mixed.append(panel.row(folds[0].slot, 0))
    assert same_bits(mixed, alone[: len(mixed)])


def check_interpreted(indicator: Indicator, bars: tuple[Bar, ...]) -> None:
    """Fail when machine code and plain Python differ in a bit, or numbers leave their arrays."""
    columns = columns_over(bars)
    out = np.full((len(indicator.outputs) + 1, len(bars)), 7.25)  # every place must be written
    state = np.zeros(indicator.size)
    numbers = np.array(indicator.numbers, dtype=np.float64)
    with np.errstate(all="ignore"):
        indicator.kernel(columns, 0, 0, len(bars), state, numbers, out)
    assert same_bits(out.T, table_over(indicator, columns))


def check_shape(indicator: Indicator, bars: tuple[Bar, ...]) -> None:
    """Fail unless NaN exactly before the first value, finite after it, and inside -1…+1."""
    table = table_over(indicator, columns_over(bars))
    outputs, normalised = table[:, :-1], table[:, -1]
    is_early = np.arange(len(bars)) < indicator.first_value
    assert (np.isnan(outputs) == is_early[:, np.newaxis]).all(), "NaN other than at first"
    assert (np.isnan(normalised) == (is_early | (not indicator.is_directed))).all()
    assert not np.isinf(outputs).any()
    assert (np.abs(normalised[~np.isnan(normalised)]) <= 1.0).all()


def check_warm_up(
    indicator: Indicator, bars: tuple[Bar, ...], starts: int, seed: int, followed: int = 120
) -> None:
    """Fail when, a warm-up after a random start, any bit differs from the full history's."""
    assert len(bars) > indicator.warmup + 1, "too few bars to show anything"
    columns, chance = columns_over(bars), random.Random(seed)
    full = table_over(indicator, columns)
    for _ in range(starts):
        start = chance.randrange(0, len(bars) - indicator.warmup)
        end = min(len(bars), start + indicator.warmup + followed)
        part = table_over(indicator, columns[:, start:end])
        same = same_bits(part[indicator.warmup :], full[start + indicator.warmup : end])
        assert same, f"{indicator.name} begun at bar {start} still differs after its warm-up"


def check_varies(indicator: Indicator, bars: tuple[Bar, ...]) -> None:
    """Fail unless the value moves on real prices and, where it has a direction, takes both."""
    rows = np.array(rows_over(indicator, bars)[indicator.first_value :])
    assert rows[:, 0].std() > 0.0
    if indicator.is_directed:
        values = rows[:, -1]
        assert values.std() > 0.05
        assert values.min() < -0.1
        assert values.max() > 0.1


# Patterns that occur nowhere in the five real series; TA-Lib finds none there either.
NEVER_SEEN = {
    "cdl_3starsinsouth",
    "cdl_abandonedbaby",
    "cdl_concealbabyswall",
    "cdl_kicking",
    "cdl_kickingbylength",
}


def is_candle(indicator: Indicator) -> bool:
    """Return whether the indicator is one candle pattern: a row of the family, not its sum."""
    return indicator.family == "candles" and indicator.name.startswith("cdl_")


def page_of(indicator: Indicator) -> str:
    """Return the name of its docs page; the candle patterns share one."""
    return "candle_patterns" if is_candle(indicator) else indicator.name


def check_seen(indicator: Indicator) -> None:
    """Fail unless a candle pattern occurs in a real series, or is listed and occurs in none."""
    seen = {
        row[0]
        for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT")
        for row in rows_over(indicator, daily_bars(symbol))[indicator.first_value :]
    }
    assert (seen != {0.0}) == (indicator.name not in NEVER_SEEN)
