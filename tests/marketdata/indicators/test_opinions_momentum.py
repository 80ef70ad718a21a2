"""Momentum indicators against TA-Lib, and their scores against values worked by hand."""

import pytest
import talib

from marketdata.indicators.cci import CciParams, cci
from marketdata.indicators.momentum import MomentumParams, momentum
from marketdata.indicators.roc import RocParams, roc
from marketdata.indicators.stoch_rsi import StochRsiParams, stoch_rsi
from marketdata.indicators.stochastic import StochasticParams, stochastic
from marketdata.indicators.ultimate_oscillator import (
    UltimateOscillatorParams,
    ultimate_oscillator,
)
from marketdata.indicators.williams_r import WilliamsRParams, williams_r
from tests.marketdata.indicators import suite
from tests.marketdata.indicators.test_second_opinions import (
    assert_equal,
    columns,
    every_symbol,
    outputs,
)


@every_symbol
@pytest.mark.parametrize("periods", [(14, 3, 3), (5, 1, 4)])
def test_stochastic_when_compared_with_talib_agrees(
    symbol: str, periods: tuple[int, int, int]
) -> None:
    period, slowing, signal = periods
    indicator = stochastic(StochasticParams(*periods))
    theirs = talib.STOCH(*columns(symbol), period, slowing, 0, signal, 0)
    for our, their in zip(outputs(indicator, symbol), theirs, strict=True):
        assert_equal(our, their, indicator.first_value, 1e2)


@every_symbol
@pytest.mark.parametrize("periods", [(14, 14, 3), (7, 5, 4)])
def test_stoch_rsi_when_compared_with_talib_agrees(
    symbol: str, periods: tuple[int, int, int]
) -> None:
    _, _, close = columns(symbol)
    period, window, signal = periods
    indicator = stoch_rsi(StochRsiParams(*periods))
    k, d, rsi = outputs(indicator, symbol)
    their_k, their_d = talib.STOCHRSI(close, period, window, signal, 0)
    their_rsi = talib.RSI(close, period)
    their_rsi[: indicator.first_value] = float("nan")
    # 1e-10 absolute near 0, where a difference of two RSI has no digits left
    assert_equal(k, their_k, indicator.first_value, 1e2)
    assert_equal(d, their_d, indicator.first_value, 1e2)
    assert_equal(rsi, their_rsi, indicator.first_value)


@every_symbol
@pytest.mark.parametrize("period", [14, 5])
def test_williams_r_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    (ours,) = outputs(williams_r(WilliamsRParams(period)), symbol)
    assert_equal(ours, talib.WILLR(*columns(symbol), period), period - 1, 1e2)


@every_symbol
@pytest.mark.parametrize("period", [20, 5])
def test_cci_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    (ours,) = outputs(cci(CciParams(period)), symbol)
    # a distance of nothing from the mean has no digits: 1e-9 absolute there
    assert_equal(ours, talib.CCI(*columns(symbol), period), period - 1, 1e3)


@every_symbol
@pytest.mark.parametrize("period", [12, 3])
def test_roc_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    _, _, close = columns(symbol)
    (ours,) = outputs(roc(RocParams(period)), symbol)
    assert_equal(ours, talib.ROC(close, period), period, 1e2)


@every_symbol
@pytest.mark.parametrize("period", [10, 3])
def test_momentum_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    _, _, close = columns(symbol)
    (ours,) = outputs(momentum(MomentumParams(period)), symbol)
    assert_equal(ours, talib.MOM(close, period), period)


@every_symbol
@pytest.mark.parametrize("periods", [(7, 14, 28), (3, 5, 11)])
def test_ultimate_oscillator_when_compared_with_talib_agrees(
    symbol: str, periods: tuple[int, int, int]
) -> None:
    (ours,) = outputs(ultimate_oscillator(UltimateOscillatorParams(*periods)), symbol)
    assert_equal(ours, talib.ULTOSC(*columns(symbol), *periods), periods[2])


def test_normalised_momentum_when_worked_by_hand_matches() -> None:
    bars = suite.made_bars([10.0, 11.0, 13.0, 12.0])
    # 3 up of 3 travelled, then 1 up of 3
    assert suite.fold_over(momentum(MomentumParams(2)), bars)[2:] == [(3.0, 1.0), (1.0, 1 / 3)]
    # the mean move is 1.5 both times, and a walk of two bars covers sqrt 2 of them
    walk = 2.0**0.5 * 1.5
    assert suite.fold_over(roc(RocParams(2)), bars)[2:] == [
        pytest.approx((30.0, 3.0 / (3.0 + walk)), rel=1e-15),
        pytest.approx((100.0 / 11.0, 1.0 / (1.0 + walk)), rel=1e-15),
    ]
    # 12 lies half way between 11 and 13
    assert suite.fold_over(williams_r(WilliamsRParams(3)), bars)[2:] == [(0.0, 1.0), (-50.0, 0.0)]
    fast = suite.fold_over(stochastic(StochasticParams(3, 1, 1)), bars)
    assert fast[2:] == [(100.0, 1.0), (50.0, 0.0)]
    # one typical price above the mean of two, at the mean distance: 1 / 0.015
    channel = suite.fold_over(cci(CciParams(2)), bars)
    place = 1.0 / 0.015
    assert channel[1] == pytest.approx((place, place / (place + 100.0)), rel=1e-12)
    assert channel[3] == pytest.approx((-place, -place / (place + 100.0)), rel=1e-12)
    # ranges 1, 2, 1 of which the buyers took 1, 2, 0: none of 1, 2 of 3, 3 of 4
    parts = suite.fold_over(ultimate_oscillator(UltimateOscillatorParams(1, 2, 3)), bars)
    expected = (4.0 * 0.0 + 2.0 * (2 / 3) + 0.75) / 7.0
    assert parts[3] == pytest.approx((100.0 * expected, 2.0 * expected - 1.0), rel=1e-14)


def test_stoch_rsi_when_the_rsi_stands_still_is_the_rsi() -> None:
    indicator = stoch_rsi(StochRsiParams(3, 4, 2))
    for step, expected in [(1.0, (100.0, 1.0)), (-1.0, (0.0, -1.0)), (0.0, (50.0, 0.0))]:
        bars = suite.made_bars([100.0 + step * day for day in range(20)])
        assert suite.fold_over(indicator, bars)[-1] == expected
