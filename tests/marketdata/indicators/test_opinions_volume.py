"""Volume indicators against TA-Lib, and against plain second ones where it has none."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pandas as pd
import pytest
import talib

from domain.bars import Bar, FloatArray, Timeframe, series_of
from marketdata.indicators.cmf import CmfParams, cmf
from marketdata.indicators.columns import BESIDE, FLOW, TRADED
from marketdata.indicators.fold import columns_of, outputs_over
from marketdata.indicators.mfi import MfiParams, mfi
from marketdata.indicators.obv import ObvParams, obv
from marketdata.indicators.order_flow import OrderFlowParams, order_flow
from marketdata.indicators.registry import Indicator
from marketdata.indicators.volume_average import VolumeAverageParams, volume_average
from marketdata.indicators.volume_profile import VolumeProfileParams, volume_profile
from marketdata.indicators.vwap import VwapParams, vwap
from tests.marketdata.indicators import suite
from tests.marketdata.indicators.test_second_opinions import (
    assert_equal,
    columns,
    every_symbol,
    outputs,
)

MEASURED = [obv(), mfi(), cmf(), vwap(), volume_average(), volume_profile()]
every_measured = pytest.mark.parametrize("indicator", MEASURED, ids=lambda one: one.name)


def volumes(symbol: str) -> FloatArray:
    return np.array([bar.volume for bar in suite.daily_bars(symbol)])


@every_symbol
@pytest.mark.parametrize("period", [20, 5])
def test_obv_when_compared_with_the_change_of_talibs_agrees(symbol: str, period: int) -> None:
    _, _, close = columns(symbol)
    line = talib.OBV(close, volumes(symbol))
    (ours,) = outputs(obv(ObvParams(period)), symbol)
    assert_equal(ours[period:], line[period:] - line[:-period], 0, volumes(symbol)[period:])


@every_symbol
@pytest.mark.parametrize("period", [14, 5])
def test_mfi_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    high, low, close = columns(symbol)
    (ours,) = outputs(mfi(MfiParams(period)), symbol)
    # 1e-9 absolute where hardly anything rose: TA-Lib's running sums have no digits left there
    assert_equal(ours, talib.MFI(high, low, close, volumes(symbol), period), period, 1e3)


@every_symbol
@pytest.mark.parametrize("period", [20, 5])
def test_cmf_when_compared_with_the_change_of_talibs_ad_agrees(symbol: str, period: int) -> None:
    high, low, close = columns(symbol)
    volume = volumes(symbol)
    (ours,) = outputs(cmf(CmfParams(period)), symbol)
    line = np.concatenate([[0.0], talib.AD(high, low, close, volume)])
    theirs = (line[period:] - line[:-period]) / talib.SUM(volume, period)[period - 1 :]
    assert_equal(ours[period - 1 :], theirs, 0, 1e3)


@every_symbol
@pytest.mark.parametrize("period", [20, 5])
def test_volume_average_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    average, ratio = outputs(volume_average(VolumeAverageParams(period)), symbol)
    theirs = talib.SMA(volumes(symbol), period)
    assert_equal(average, theirs, period - 1)
    assert_equal(ratio, volumes(symbol) / theirs, period - 1)


@pytest.mark.parametrize("timeframe", [Timeframe.D1, Timeframe.H1, Timeframe.M5])
@pytest.mark.parametrize("period", [14, 5])
def test_vwap_when_compared_with_cumulative_sums_agrees(timeframe: Timeframe, period: int) -> None:
    bars = suite.bars_at(suite.daily_bars("IBM"), timeframe)
    rows = np.array(suite.rows_over(vwap(VwapParams(period)), bars)).T
    frame = pd.DataFrame(bars)
    frame["typical"] = (frame.high + frame.low + frame.close) / 3.0
    frame["money"] = frame.typical * frame.volume
    sessions = frame.groupby(frame.opened_at.dt.date)
    theirs = (sessions.money.cumsum() / sessions.volume.cumsum()).to_numpy(copy=True)
    theirs[:period] = nan
    assert_equal(rows[0], theirs, period)

    away = frame.close.to_numpy() - theirs
    reach = talib.ATR(*(frame[name].to_numpy() for name in ("high", "low", "close")), period)
    steps = np.sqrt(sessions.cumcount().to_numpy() + 1.0)
    assert_equal(rows[-1], away / (np.abs(away) + reach * steps), period, 1e3)


@pytest.mark.parametrize("timeframe", [Timeframe.M1, Timeframe.M5, Timeframe.H1])
def test_vwap_when_begun_within_a_session_agrees_after_warm_up(timeframe: Timeframe) -> None:
    bars = suite.bars_at(suite.daily_bars("AAPL"), timeframe)
    suite.check_warm_up(vwap(), bars, starts=40, seed=3)


def test_vwap_when_warm_up_misses_the_session_is_caught() -> None:
    bars = suite.bars_at(suite.daily_bars("AAPL"), Timeframe.M1)
    with pytest.raises(AssertionError, match="still differs"):
        suite.check_warm_up(vwap(VwapParams(14, 100)), bars, starts=40, seed=3)


def test_vwap_when_no_session_is_known_restarts_with_the_utc_day() -> None:
    bars = suite.bars_at(suite.daily_bars("MSFT")[:200], Timeframe.M30)
    columns_alone = columns_of(series_of(bars))
    (alone,) = outputs_over((vwap(),), columns_alone)
    assert suite.bits(alone.T.tolist()) == suite.bits(suite.rows_over(vwap(), bars))


def test_vwap_when_session_opens_leaves_out_what_was_before() -> None:
    bars = suite.made_bars([10.0, 11.0, 13.0, 12.0, 20.0, 22.0])
    beside = columns_of(series_of(bars))
    # the opening instants lie in one UTC day; the last three bars belong to its session
    beside[5] = 86_400_000_000.0 * 10 + np.arange(6)
    beside[BESIDE] = [nan, nan, nan, 10.0, 10.0, 10.0]
    (rows,) = outputs_over((vwap(VwapParams(2)),), beside)
    assert rows[0, 2:].tolist() == pytest.approx([34 / 3, 12.0, 16.0, 18.0])


@every_symbol
@pytest.mark.parametrize(("period", "bins", "share"), [(50, 24, 0.7), (20, 10, 0.5)])
def test_volume_profile_when_compared_with_numpy_agrees(
    symbol: str, period: int, bins: int, share: float
) -> None:
    indicator = volume_profile(VolumeProfileParams(period, bins, share))
    rows = np.array(suite.rows_over(indicator, suite.daily_bars(symbol)))
    high, low, close = columns(symbol)
    volume = volumes(symbol)
    assert np.isnan(rows[: period - 1]).all()
    for now in range(period - 1, len(close), 29):
        window = slice(now + 1 - period, now + 1)
        theirs = plain_profile(high[window], low[window], volume[window], bins, share)
        assert rows[now, :3] == pytest.approx(theirs, rel=1e-9)
        middle, top, bottom = theirs
        assert rows[now, 3] == pytest.approx(
            np.interp(close[now], [bottom, middle, top], [-1.0, 0.0, 1.0]), abs=1e-7
        )


def plain_profile(
    high: FloatArray, low: FloatArray, volume: FloatArray, bins: int, share: float
) -> tuple[float, float, float]:
    """Return point of control, upper and lower edge of the value area."""
    floor, width = low.min(), (high.max() - low.min()) / bins
    lowest, top = ((price - floor) / width for price in (low, high))
    places = np.arange(bins)[:, np.newaxis]
    touched = (places >= np.floor(lowest)) & (places <= np.minimum(np.floor(top), bins - 1))
    profile = (touched * volume / touched.sum(axis=0)).sum(axis=1)
    area = [int(profile.argmax())]
    while profile[area].sum() < share * volume.sum():
        around = [one for one in (max(area) + 1, min(area) - 1) if 0 <= one < bins]
        area.append(max(around, key=lambda one: profile[one]))
    edges = floor + width * np.arange(bins + 1)
    return edges[area[0]] + width / 2, edges[max(area) + 1], edges[min(area)]


def with_flow(net: list[float], traded: list[float]) -> FloatArray:
    found = columns_of(series_of(suite.made_bars([10.0] * len(net))))
    found[FLOW], found[TRADED] = net, traded
    return found


@pytest.mark.parametrize("period", [10, 3])
def test_order_flow_when_compared_with_pandas_agrees(period: int) -> None:
    chance = np.random.default_rng(17)
    traded = chance.uniform(1.0, 50.0, 500)
    net = traded * chance.uniform(-1.0, 1.0, 500)
    missing = chance.random(500) < 0.3
    net[missing] = traded[missing] = nan
    indicator = order_flow(OrderFlowParams(period))
    (rows,) = outputs_over((indicator,), with_flow(net, traded))
    sums = pd.DataFrame({"net": net, "traded": traded}).rolling(period, min_periods=1).sum()
    sums[: period - 1] = nan
    ratio = (sums.net / sums.traded).to_numpy()
    assert np.allclose(rows[1], sums.net, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert np.allclose(rows[0], ratio, rtol=1e-9, atol=1e-9, equal_nan=True)
    assert np.array_equal(rows[2], rows[0], equal_nan=True)
    # three bars in a row without a trade are met, ten are not
    assert np.isnan(rows[0, period - 1 :]).any() == (period == 3)


def test_order_flow_when_sizes_are_zero_is_zero() -> None:
    (rows,) = outputs_over((order_flow(OrderFlowParams(2)),), with_flow([0.0] * 3, [0.0] * 3))
    assert rows[:, 1:].tolist() == [[0.0, 0.0]] * 3


def with_volume(bars: tuple[Bar, ...], volume: float | None) -> tuple[Bar, ...]:
    return tuple(replace(bar, volume=volume) for bar in bars)


@every_measured
def test_values_when_nothing_is_traded_are_finite_and_neutral(indicator: Indicator) -> None:
    bars = with_volume(suite.daily_bars("AAPL")[:300], 0.0)
    suite.check_shape(indicator, bars)
    normalised = [row[-1] for row in suite.rows_over(indicator, bars)[indicator.first_value :]]
    assert set(normalised) == {0.0} or not indicator.is_directed


@every_measured
def test_values_when_volume_is_not_measured_are_missing(indicator: Indicator) -> None:
    bars = with_volume(suite.daily_bars("AAPL")[:300], None)
    assert np.isnan(suite.rows_over(indicator, bars)).all()


@every_measured
def test_values_when_one_volume_is_missing_return(indicator: Indicator) -> None:
    bars = list(suite.daily_bars("AAPL")[:300])
    bars[200] = replace(bars[200], volume=None)
    raw = [row[0] for row in suite.rows_over(indicator, tuple(bars))]
    assert isnan(raw[200])
    assert not isnan(raw[199])
    assert not any(map(isnan, raw[260:]))


@every_measured
def test_values_when_volume_is_huge_stay_finite(indicator: Indicator) -> None:
    closes = [bar.close / 100.0 * 1e300 for bar in suite.walk_bars(200, seed=8)]
    suite.check_shape(indicator, with_volume(suite.made_bars(closes, 0.01), 1e17))
