"""25 indicators over a million bars, ours beside TA-Lib; one new bar for 50 instruments."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.peer_indicators import Prices, by_talib
from domain.bars import Bar, BarSeries, FloatArray, Timeframe, from_micros, to_micros
from marketdata.indicators.columns import BESIDE
from marketdata.indicators.extras import extras_of
from marketdata.indicators.fold import (
    BlockFold,
    Panel,
    block_of,
    columns_of,
    outputs_over,
    step_together,
)
from marketdata.indicators.registry import indicator_set

SET = (
    *("sma", "ema", "wma", "dema", "tema", "kama", "macd", "adx", "aroon", "parabolic_sar"),
    *("supertrend", "rsi", "stochastic", "stoch_rsi", "williams_r", "cci", "roc", "momentum"),
    *("ultimate_oscillator", "bollinger", "atr", "obv", "mfi", "cmf", "vwap"),
)
BARS = int(os.environ.get("BENCH_BARS", "1000000"))
FEWER = 300_000  # for what is slow
ROUNDS = 3
INSTRUMENTS = 50
STEPS = 300
BEGIN = datetime(2022, 1, 1, tzinfo=UTC)
PEER = os.environ.get("BENCH_PANDAS_TA", "")  # a Python that has pandas-ta-classic


def some_bars(count: int, seed: int = 7) -> BarSeries:
    """Return one-minute bars of a random walk, always the same."""
    rng = np.random.default_rng(seed)
    close = np.round(100 * np.exp(np.cumsum(rng.normal(0, 8e-4, count))), 4)
    open_ = np.round(np.concatenate(([100.0], close[:-1])) * (1 + rng.normal(0, 5e-5, count)), 4)
    wick = np.abs(rng.normal(0, 4e-4, (2, count)))
    high = np.round(np.maximum(open_, close) * (1 + wick[0]), 4)
    low = np.round(np.minimum(open_, close) * (1 - wick[1]), 4)
    volume = np.round(rng.lognormal(4, 1, count), 4)
    opened = to_micros(BEGIN) + 60_000_000 * np.arange(count, dtype=np.int64)
    return BarSeries(opened, opened + 60_000_000, open_, high, low, close, volume)


def columns_and_sessions(series: BarSeries) -> FloatArray:
    """Return what kernels read, UTC days as sessions."""
    columns = columns_of(series)
    beside = extras_of(calendar_name="", timeframe=Timeframe.M1)
    columns[BESIDE:] = beside(series.opened_at)
    return columns


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return cells (bars x indicators) per CPU second, and the ratio to TA-Lib of one run."""
    series = some_bars(BARS)
    columns = columns_and_sessions(series)
    prices = Prices.of(series)
    ours = {name: indicator_set([name]) for name in SET}
    peers = by_talib()
    ways: dict[tuple[str, str], Callable[[], Any]] = {}
    for name in SET:
        ways["ours", name] = partial(outputs_over, ours[name], columns)
        ways["talib", name] = partial(peers[name], prices)
    say("indicators: compiling")
    few = columns[:, :3000].copy()
    for name in SET:
        outputs_over(ours[name], few)
        peers[name](prices.first(3000))
    taken: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for turn in range(ROUNDS):  # interleaved, indicator by indicator
        say(f"indicators: round {turn + 1} of {ROUNDS}")
        for way, run in ways.items():
            began = time.process_time()
            run()
            taken[way].append(time.process_time() - began)
    cost = {way: median(times) for way, times in taken.items()}
    totals = {
        side: [sum(taken[side, name][turn] for name in SET) for turn in range(ROUNDS)]
        for side in ("ours", "talib")
    }
    ratios = sorted(
        theirs / own for own, theirs in zip(totals["ours"], totals["talib"], strict=True)
    )
    return {
        "25 indicators, ours, cells per CPU second": _cells(totals["ours"]),
        "25 indicators, TA-Lib, cells per CPU second": _cells(totals["talib"]),
        "25 indicators, ours to TA-Lib, median (range)": (
            f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        ),
        "ns per bar, ours / TA-Lib": {
            name: f"{1e9 * cost['ours', name] / BARS:.1f} / {1e9 * cost['talib', name] / BARS:.1f}"
            for name in sorted(SET, key=lambda one: -cost["ours", one])
        },
        **_beside_pandas_ta(series, cost, say),
    }


def _cells(totals: list[float]) -> str:
    return f"{len(SET) * BARS / median(totals) / 1e6:.0f} M"


def _beside_pandas_ta(
    series: BarSeries, cost: dict[tuple[str, str], float], say: Callable[[str], None]
) -> dict[str, Any]:
    """Return the ratio to pandas-ta-classic over what it has of the set, in its own process."""
    label = "ours to pandas-ta-classic, the same indicators"
    if not PEER:
        return {label: "not measured (BENCH_PANDAS_TA names a Python that has it)"}
    say("indicators: pandas-ta-classic")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.f8"
        few = series[:FEWER]
        names = ("opened_at", "open", "high", "low", "close", "volume")
        np.array([getattr(few, name) for name in names], dtype=np.float64).tofile(path)
        script = Path(__file__).with_name("pandas_ta_indicators.py")
        done = subprocess.run([PEER, script, path], stdout=subprocess.PIPE, text=True, check=True)
    theirs: dict[str, float] = json.loads(done.stdout)
    own = sum(cost["ours", name] for name in theirs) / BARS
    other = sum(theirs.values()) / FEWER
    return {
        label: round(other / own, 1),
        "pandas-ta-classic, indicators": len(theirs),
        "pandas-ta-classic, cells per CPU second": f"{len(theirs) / other / 1e6:.2f} M",
    }


def measure_one_bar(say: Callable[[str], None]) -> dict[str, Any]:
    """Return microseconds per instrument for one new bar of 50 instruments, 25 indicators."""
    say("one bar: 50 instruments")
    indicators = indicator_set(SET)
    beside = extras_of(calendar_name="", timeframe=Timeframe.M1)
    panel = Panel(indicators, slots=INSTRUMENTS)
    whole = 4 * 1440
    rows: list[list[Bar]] = []
    folds = []
    for place in range(INSTRUMENTS):
        series = some_bars(whole + STEPS, seed=place)
        block = block_of(Timeframe.M1, from_micros(int(series.opened_at[whole])))
        folds.append(BlockFold(indicators, block, series[:whole], panel=panel, extras=beside))
        rows.append(_bars_of(series[whole:]))
    times = []
    for step in range(STEPS):
        bars = [own[step] for own in rows]
        began = time.perf_counter()
        step_together(folds, bars)
        times.append(time.perf_counter() - began)
    per = [1e6 * one / INSTRUMENTS for one in times[20:]]
    return {
        "one new bar, 25 indicators, us per instrument of 50, p50": round(median(per), 2),
        "one new bar, us per instrument, best": round(min(per), 2),
        "one new bar, kernels alone, us per instrument, p50": round(_kernels_alone(), 2),
    }


def _bars_of(series: BarSeries) -> list[Bar]:
    times = (map(from_micros, one.tolist()) for one in (series.opened_at, series.closed_at))
    names = ("open", "high", "low", "close", "volume")
    columns = (getattr(series, name).tolist() for name in names)
    return [Bar(*row) for row in zip(*times, *columns, strict=True)]


def _kernels_alone() -> float:
    """Return what the panel's step costs with the columns at hand."""
    indicators = indicator_set(SET)
    panel = Panel(indicators, slots=INSTRUMENTS)
    columns = columns_and_sessions(some_bars(3000 + STEPS))
    slots = np.array([panel.slot() for _ in range(INSTRUMENTS)], dtype=np.int64)
    begun = np.ascontiguousarray(columns[:, :3000])
    for slot in slots.tolist():
        panel.begin(slot, begun, [0] * len(indicators))
    times = []
    for step in range(STEPS):
        rows = np.tile(columns[:, 3000 + step], (INSTRUMENTS, 1))
        began = time.perf_counter()
        panel.step(slots, rows)
        times.append(time.perf_counter() - began)
    return 1e6 * median(times[20:]) / INSTRUMENTS
