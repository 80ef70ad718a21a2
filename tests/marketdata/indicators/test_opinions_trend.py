"""Trend indicators against TA-Lib, and against plain second ones where it has none."""

from dataclasses import replace
from math import isqrt

import numpy as np
import pytest
import talib

from domain.bars import FloatArray
from marketdata.indicators.adx import AdxParams, adx
from marketdata.indicators.aroon import AroonParams, aroon
from marketdata.indicators.dema import DemaParams, dema
from marketdata.indicators.ema import EmaParams, ema
from marketdata.indicators.hma import HmaParams, hma
from marketdata.indicators.ichimoku import IchimokuParams, ichimoku
from marketdata.indicators.kama import KamaParams, kama
from marketdata.indicators.sma import SmaParams, sma
from marketdata.indicators.sma_cross import SmaCrossParams, sma_cross
from marketdata.indicators.tema import TemaParams, tema
from marketdata.indicators.vortex import VortexParams, vortex
from marketdata.indicators.wma import WmaParams, wma
from tests.marketdata.indicators import suite
from tests.marketdata.indicators.test_second_opinions import (
    assert_equal,
    columns,
    every_symbol,
    outputs,
)

BESIDE_TALIB = [
    (sma, SmaParams, talib.SMA, (20, 5)),
    (ema, EmaParams, talib.EMA, (20, 5)),
    (wma, WmaParams, talib.WMA, (20, 5)),
    (dema, DemaParams, talib.DEMA, (20, 5)),
    (tema, TemaParams, talib.TEMA, (20, 5)),
    (kama, KamaParams, talib.KAMA, (10, 30)),
]


@every_symbol
@pytest.mark.parametrize(
    ("factory", "params", "theirs", "period"),
    [(*row[:3], period) for row in BESIDE_TALIB for period in row[3]],
)
def test_average_when_compared_with_talib_agrees(symbol, factory, params, theirs, period) -> None:
    _, _, close = columns(symbol)
    indicator = factory(params(period))
    assert_equal(outputs(indicator, symbol)[0], theirs(close, period), indicator.first_value)


@every_symbol
@pytest.mark.parametrize("period", [16, 55])
def test_hma_when_put_together_from_whole_columns_agrees(symbol: str, period: int) -> None:
    _, _, close = columns(symbol)
    indicator = hma(HmaParams(period))
    raw = 2.0 * plain_wma(close, period // 2) - plain_wma(close, period)
    theirs = plain_wma(raw, isqrt(period))
    assert_equal(outputs(indicator, symbol)[0], theirs, indicator.first_value)


def plain_wma(values: FloatArray, period: int) -> FloatArray:
    """Return the linearly weighted mean of each window, NaN before the first whole one."""
    weights = np.arange(1.0, period + 1.0)
    windows = np.lib.stride_tricks.sliding_window_view(values, period)
    return np.concatenate([np.full(period - 1, np.nan), windows @ weights / weights.sum()])


@every_symbol
@pytest.mark.parametrize(("fast", "slow"), [(20, 50), (5, 12)])
def test_sma_cross_when_compared_with_means_of_windows_agrees(
    symbol: str, fast: int, slow: int
) -> None:
    _, _, close = columns(symbol)
    spread, our_fast, our_slow = outputs(sma_cross(SmaCrossParams(fast, slow)), symbol)
    their_fast, their_slow = plain_mean(close, fast), plain_mean(close, slow)
    their_fast[: slow - 1] = np.nan
    assert_equal(our_fast, their_fast, slow - 1)
    assert_equal(our_slow, their_slow, slow - 1)
    assert_equal(spread, their_fast - their_slow, slow - 1, close)


def plain_mean(values: FloatArray, period: int) -> FloatArray:
    windows = np.lib.stride_tricks.sliding_window_view(values, period)
    return np.concatenate([np.full(period - 1, np.nan), windows.mean(axis=1)])


def test_normalised_averages_when_worked_by_hand_match() -> None:
    bars = suite.made_bars([10.0, 11.0, 13.0, 12.0])
    # the close half a move from the mean of two, and a walk of two bars covers sqrt 2 moves
    half = 0.5 / (0.5 + 2.0**0.5)
    simple = suite.fold_over(sma(SmaParams(2)), bars)
    assert [pair[1] for pair in simple[1:]] == pytest.approx([half, half, -half], rel=1e-15)
    # the newest weighs two thirds, so the close lies a third of the move away
    third = (1 / 3) / (1 / 3 + 2.0**0.5)
    linear = suite.fold_over(wma(WmaParams(2)), bars)
    assert [pair[1] for pair in linear[1:]] == pytest.approx([third, third, -third], rel=1e-14)
    cross = suite.fold_over(sma_cross(SmaCrossParams(2, 3, half_at=1.0)), bars)
    # spreads 12 - 34/3 and 12.5 - 12, both with an average move of 1.5
    assert [pair[1] for pair in cross[2:]] == pytest.approx([4 / 13, 0.25], rel=1e-14)


@every_symbol
@pytest.mark.parametrize("period", [14, 5])
def test_adx_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    prices = columns(symbol)
    strength, plus_di, minus_di = outputs(adx(AdxParams(period)), symbol)
    first = 2 * period - 1
    assert_equal(strength, talib.ADX(*prices, period), first)
    assert_equal(plus_di, talib.PLUS_DI(*prices, period), first)
    assert_equal(minus_di, talib.MINUS_DI(*prices, period), first)


@every_symbol
@pytest.mark.parametrize("period", [14, 25])
def test_aroon_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    high, low, _ = columns(symbol)
    oscillator, up, down = outputs(aroon(AroonParams(period)), symbol)
    their_down, their_up = talib.AROON(high, low, period)
    assert_equal(oscillator, talib.AROONOSC(high, low, period), period, 100.0)
    assert_equal(up, their_up, period, 100.0)
    assert_equal(down, their_down, period, 100.0)


@every_symbol
@pytest.mark.parametrize("periods", [(9, 26, 52, 26), (3, 8, 20, 5)])
def test_ichimoku_when_compared_with_shifted_columns_agrees(
    symbol: str, periods: tuple[int, int, int, int]
) -> None:
    high, low, close = columns(symbol)
    indicator = ichimoku(IchimokuParams(*periods))
    away = periods[3]
    tenkan, kijun, long = (plain_middle(high, low, period) for period in periods[:3])
    theirs = (tenkan, kijun, later((tenkan + kijun) / 2.0, away), later(long, away))
    ours = outputs(indicator, symbol)
    for our, their in zip(ours, (*theirs, close - later(close, away)), strict=True):
        assert_equal(our, their, indicator.first_value, close)


def plain_middle(high: FloatArray, low: FloatArray, period: int) -> FloatArray:
    """Return the midpoint of each window's extremes, NaN before the first whole one."""
    tops = np.lib.stride_tricks.sliding_window_view(high, period).max(axis=1)
    bottoms = np.lib.stride_tricks.sliding_window_view(low, period).min(axis=1)
    return np.concatenate([np.full(period - 1, np.nan), (tops + bottoms) / 2.0])


def later(values: FloatArray, away: int) -> FloatArray:
    return np.concatenate([np.full(away, np.nan), values[:-away]])


@every_symbol
@pytest.mark.parametrize("period", [14, 30])
def test_vortex_when_compared_with_whole_columns_agrees(symbol: str, period: int) -> None:
    high, low, close = columns(symbol)
    difference, plus, minus = outputs(vortex(VortexParams(period)), symbol)
    ranges = plain_sum(talib.TRANGE(high, low, close), period)
    their_plus = plain_sum(np.abs(high - later(low, 1)), period) / ranges
    their_minus = plain_sum(np.abs(low - later(high, 1)), period) / ranges
    assert_equal(plus, their_plus, period)
    assert_equal(minus, their_minus, period)
    assert_equal(difference, their_plus - their_minus, period, 1.0)


def plain_sum(values: FloatArray, period: int) -> FloatArray:
    return plain_mean(values, period) * period


def test_normalised_directions_when_worked_by_hand_match() -> None:
    bars = suite.made_bars([10.0, 11.0, 13.0, 12.0])
    # the highest is the latest, then the one before; the lowest the first of three
    lately = suite.fold_over(aroon(AroonParams(2)), bars)
    assert lately[2:] == [(100.0, 1.0), (50.0, 0.5)]
    # up 2, 3, 0 and down 0, 1, 2 in ranges of 2, 3, 1, summed over two bars
    tall = tuple(replace(bar, high=bar.close + 1.0) for bar in bars)
    swirl = suite.fold_over(vortex(VortexParams(2)), tall)
    assert swirl[2:] == [(pytest.approx(0.8, rel=1e-15), 4 / 6), (0.0, 0.0)]
    # up 1, 2, 0 and down 0, 0, 1: begun with 1 / 2, then averaged with shares of one half
    way = suite.fold_over(adx(AdxParams(2)), bars)
    balance = (0.625 - 0.5) / (0.625 + 0.5)
    strength = 50.0 * (1.0 + balance)
    expected = (strength, balance * strength / (strength + 25.0))
    assert way[3] == pytest.approx(expected, rel=1e-12)
