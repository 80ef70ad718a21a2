"""Volatility indicators against TA-Lib, and against plain second ones where it has none."""

import numpy as np
import pandas as pd
import pytest
import talib

from marketdata.indicators.atr import AtrParams, atr
from marketdata.indicators.chandelier import REMEMBERED, ChandelierParams, chandelier
from marketdata.indicators.donchian import DonchianParams, donchian
from marketdata.indicators.keltner import KeltnerParams, keltner
from marketdata.indicators.realised_volatility import (
    RealisedVolatilityParams,
    realised_volatility,
)
from tests.marketdata.indicators import suite
from tests.marketdata.indicators.test_second_opinions import (
    assert_equal,
    columns,
    every_symbol,
    outputs,
)


@every_symbol
@pytest.mark.parametrize("period", [14, 5])
def test_atr_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    average, percent = outputs(atr(AtrParams(period)), symbol)
    assert_equal(average, talib.ATR(*columns(symbol), period), period)
    assert_equal(percent, talib.NATR(*columns(symbol), period), period)


@every_symbol
@pytest.mark.parametrize(("period", "atr_period", "multiplier"), [(20, 10, 2.0), (9, 30, 1.5)])
def test_keltner_when_put_together_from_talib_agrees(
    symbol: str, period: int, atr_period: int, multiplier: float
) -> None:
    high, low, close = columns(symbol)
    indicator = keltner(KeltnerParams(period, atr_period, multiplier))
    position, upper, middle, lower = outputs(indicator, symbol)
    first = max(period - 1, atr_period)
    average = talib.EMA(close, period)
    half = multiplier * talib.ATR(high, low, close, atr_period)
    assert_equal(middle, average, first)
    assert_equal(upper, average + half, first)
    assert_equal(lower, average - half, first)
    assert_equal(position, (close - average) / half, first, 1e3)


def test_keltner_when_close_leaves_the_channel_is_held_at_the_band() -> None:
    bars = suite.made_bars([*[100.0, 101.0] * 20, 120.0], 0.001)
    position, normalised = suite.fold_over(keltner(), bars)[-1]
    assert position > 1.0
    assert normalised == 1.0


@every_symbol
@pytest.mark.parametrize("period", [20, 55])
def test_donchian_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    high, low, close = columns(symbol)
    position, upper, middle, lower = outputs(donchian(DonchianParams(period)), symbol)
    top, bottom = talib.MAX(high, period), talib.MIN(low, period)
    assert_equal(upper, top, period - 1)
    assert_equal(lower, bottom, period - 1)
    assert_equal(middle, talib.MIDPRICE(high, low, period), period - 1)
    assert_equal(position, (2.0 * close - top - bottom) / (top - bottom), period - 1, 1e3)


@every_symbol
@pytest.mark.parametrize(("period", "multiplier"), [(22, 3.0), (7, 2.0)])
def test_chandelier_when_put_together_from_whole_columns_agrees(
    symbol: str, period: int, multiplier: float
) -> None:
    high, low, close = columns(symbol)
    long_stop, short_stop, side = outputs(chandelier(ChandelierParams(period, multiplier)), symbol)
    reach = multiplier * talib.ATR(high, low, close, period)
    their_long, their_short = talib.MAX(high, period) - reach, talib.MIN(low, period) + reach
    assert_equal(long_stop, their_long, period)
    assert_equal(short_stop, their_short, period)

    above = close > np.roll(their_short, 1)
    below = close < np.roll(their_long, 1)
    turns = pd.Series(np.where(above == below, np.nan, np.where(above, 1.0, -1.0)))
    turns[: period + 1] = np.nan
    theirs = turns.ffill(limit=REMEMBERED * period - 1).fillna(0.0).to_numpy()
    assert_equal(side, theirs, period)
    assert {-1.0, 1.0} <= set(side[period:])


def test_chandelier_when_market_stands_still_forgets_the_side() -> None:
    params = ChandelierParams(5, 3.0)
    rising = [100.0 + day for day in range(40)]
    bars = suite.made_bars([*rising, *[139.0] * 120], 0.001)
    sides = [row[2] for row in suite.rows_over(chandelier(params), bars)]
    assert sides[39] == 1.0
    last = max(place for place, side in enumerate(sides) if side == 1.0)
    assert set(sides[last + 1 :]) == {0.0}
    assert suite.fold_over(chandelier(params), bars)[-1][1] == 0.0


@every_symbol
@pytest.mark.parametrize("period", [20, 5])
def test_realised_volatility_when_compared_with_pandas_agrees(symbol: str, period: int) -> None:
    _, _, close = columns(symbol)
    (ours,) = outputs(realised_volatility(RealisedVolatilityParams(period)), symbol)
    returns = np.log(pd.Series(close)).diff()
    windows = np.lib.stride_tricks.sliding_window_view(returns.to_numpy()[1:], period)
    theirs = np.concatenate([np.full(period, np.nan), windows.std(axis=1, ddof=1)])
    assert_equal(ours, theirs, period)
    assert np.allclose(ours[period:], returns.rolling(period).std()[period:], rtol=1e-6)


def test_realised_volatility_when_prices_are_not_positive_counts_no_return() -> None:
    bars = suite.made_bars([2.0, 1.0, -1.0, 0.0, 3.0, 3.0])
    values = suite.fold_over(realised_volatility(RealisedVolatilityParams(2)), bars)
    assert [pair[0] for pair in values[4:]] == [0.0, 0.0]
