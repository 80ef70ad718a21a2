"""Values against TA-Lib, and against plain second implementations where it has none."""

import numpy as np
import pytest
import talib

from domain.bars import FloatArray
from marketdata.indicators.bollinger import BollingerParams, bollinger
from marketdata.indicators.ema_cross import EmaCrossParams, ema_cross
from marketdata.indicators.macd import MacdParams, macd
from marketdata.indicators.parabolic_sar import ParabolicSarParams, parabolic_sar
from marketdata.indicators.registry import Indicator
from marketdata.indicators.rsi import RsiParams, rsi
from marketdata.indicators.supertrend import SupertrendParams, supertrend
from tests.marketdata.indicators import suite

SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
every_symbol = pytest.mark.parametrize("symbol", SYMBOLS)


def columns(symbol: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    bars = suite.daily_bars(symbol)
    return tuple(
        np.array([getattr(bar, name) for bar in bars]) for name in ("high", "low", "close")
    )


def outputs(indicator: Indicator, symbol: str) -> FloatArray:
    return np.array(suite.rows_over(indicator, suite.daily_bars(symbol))).T[:-1]


def assert_equal(
    ours: FloatArray, theirs: FloatArray, first: int, scale: FloatArray | float = 0.0
) -> None:
    """Relative 1e-9; `scale` allows 1e-12 of the price where a difference may cross zero."""
    assert np.isnan(ours[:first]).all()
    assert len(ours) > first
    allowed = 1e-9 * np.abs(theirs[first:]) + 1e-12 * np.broadcast_to(scale, theirs.shape)[first:]
    assert (np.abs(ours[first:] - theirs[first:]) <= allowed).all()


@every_symbol
@pytest.mark.parametrize("period", [2, 14, 30])
def test_rsi_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    _, _, close = columns(symbol)
    (ours,) = outputs(rsi(RsiParams(period)), symbol)
    # 1e-9 absolute where the share of gains is nearly nothing: there the ratio has no digits left
    assert_equal(ours, talib.RSI(close, period), period, 1e3)


@every_symbol
@pytest.mark.parametrize("periods", [(12, 26, 9), (3, 10, 16)])
def test_macd_when_compared_with_talib_agrees(symbol: str, periods: tuple[int, int, int]) -> None:
    _, _, close = columns(symbol)
    histogram, line, signal = outputs(macd(MacdParams(*periods)), symbol)
    their_line, their_signal, their_histogram = talib.MACD(close, *periods)
    first = periods[1] + periods[2] - 2
    assert_equal(line, their_line, first, close)
    assert_equal(signal, their_signal, first, close)
    assert_equal(histogram, their_histogram, first, close)


@every_symbol
@pytest.mark.parametrize(("period", "deviations"), [(20, 2.0), (5, 1.5)])
def test_bollinger_when_compared_with_talib_agrees(
    symbol: str, period: int, deviations: float
) -> None:
    _, _, close = columns(symbol)
    ours = outputs(bollinger(BollingerParams(period, deviations)), symbol)
    theirs = talib.BBANDS(close, period, deviations, deviations)
    for our, their in zip(ours[1:4], theirs, strict=True):
        assert_equal(our, their, period - 1)
    upper, _, lower = theirs
    width = (upper - lower)[period:]
    percent_b = (close - lower)[period:] / width
    assert np.allclose(ours[0][period:], percent_b, rtol=1e-7, atol=1e-8)


@every_symbol
def test_ema_cross_when_compared_with_talib_agrees(symbol: str) -> None:
    _, _, close = columns(symbol)
    spread, fast, slow = outputs(ema_cross(EmaCrossParams(9, 21)), symbol)
    assert_equal(fast, talib.EMA(close, 9), 21)
    assert_equal(slow, talib.EMA(close, 21), 21)
    assert_equal(spread, talib.EMA(close, 9) - talib.EMA(close, 21), 21, close)


@every_symbol
@pytest.mark.parametrize(("acceleration", "maximum"), [(0.02, 0.2), (0.05, 0.3)])
def test_parabolic_sar_when_compared_with_talib_agrees(
    symbol: str, acceleration: float, maximum: float
) -> None:
    high, low, _ = columns(symbol)
    (ours,) = outputs(parabolic_sar(ParabolicSarParams(acceleration, maximum)), symbol)
    assert_equal(ours, talib.SAR(high, low, acceleration, maximum), 1)


@every_symbol
def test_supertrend_when_compared_with_a_plain_second_one_agrees(symbol: str) -> None:
    period, multiplier = 10, 3.0
    high, low, close = columns(symbol)
    line, atr = outputs(supertrend(SupertrendParams(period, multiplier)), symbol)
    assert_equal(atr, talib.ATR(high, low, close, period), period)
    theirs = plain_supertrend(high, low, close, period, multiplier)
    settled = 120  # the two begin on a side of their own
    assert_equal(line[settled:], theirs[settled:], 0)


def plain_supertrend(
    high: FloatArray, low: FloatArray, close: FloatArray, period: int, multiplier: float
) -> FloatArray:
    """Return the line as TradingView's manual defines ta.supertrend: whole columns, then a pass."""
    distance = multiplier * talib.ATR(high, low, close, period)
    upper, lower = (high + low) / 2.0 + distance, (high + low) / 2.0 - distance
    line = np.full(len(close), np.nan)
    line[period] = upper[period]
    is_up = False
    for now in range(period + 1, len(close)):
        if not (lower[now] > lower[now - 1] or close[now - 1] < lower[now - 1]):
            lower[now] = lower[now - 1]
        if not (upper[now] < upper[now - 1] or close[now - 1] > upper[now - 1]):
            upper[now] = upper[now - 1]
        is_up = close[now] >= lower[now] if is_up else close[now] > upper[now]
        line[now] = lower[now] if is_up else upper[now]
    return line


def test_normalised_values_when_worked_by_hand_match() -> None:
    bars = suite.made_bars([10.0, 11.0, 13.0, 12.0])
    rsi_values = suite.fold_over(rsi(RsiParams(2)), bars)
    # gains 1, 2, 0 and losses 0, 0, 1: seed (1.5, 0), then (0.75, 0.5) of 1.25
    assert rsi_values[2:] == [(100.0, 1.0), (60.0, pytest.approx(0.2, abs=1e-15))]
    band = suite.fold_over(bollinger(BollingerParams(2, 2.0)), bars)
    # two closes lie one sigma either side of their mean: half the way to a band of two
    assert [pair[1] for pair in band[1:]] == [0.5, 0.5, -0.5]
    cross = suite.fold_over(ema_cross(EmaCrossParams(2, 3, half_at=1.0)), bars)
    # fast 10.5, 12.1667, 12.0556; slow 11.3333, 11.6667; moves 1, 2, 1 average 4/3
    spread = 12.0 + 1 / 18 - (11 + 2 / 3)
    assert cross[3] == pytest.approx((spread, spread / (spread + 4 / 3)), rel=1e-12)
