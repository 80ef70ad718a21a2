"""Splits found, and what only looks like one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from domain.bars import BarSeries, Split
from marketdata.feeds.sample_stocks import VENUES, SampleStocksFeed
from marketdata.split_detection import (
    simple_ratio,
    splits_in_factors,
    splits_in_prices,
    suspected_splits,
)

DAY = 86_400_000_000


def found(
    close: list[float], adjusted: list[float], open_: list[float] | None = None
) -> tuple[Split, ...]:
    return splits_in_prices(
        opened_at=np.arange(len(close), dtype=np.int64) * DAY,
        open_=np.array(open_ or close),
        close=np.array(close),
        adjusted_close=np.array(adjusted),
    )


def test_splits_in_prices_when_demo_stocks_finds_exactly_three() -> None:
    feed = SampleStocksFeed()
    splits = {symbol: feed.splits(symbol=symbol) for symbol in VENUES}
    assert splits == {
        "AAPL": (
            Split(datetime(2000, 6, 21, tzinfo=UTC), 2.0),
            Split(datetime(2005, 2, 28, tzinfo=UTC), 2.0),
        ),
        "FB": (),
        "GOOG": (),
        "IBM": (),
        "MSFT": (Split(datetime(2003, 2, 18, tzinfo=UTC), 2.0),),
    }


@pytest.mark.parametrize("ratio", [2.0, 3.0, 1.5, 4.0, 5.0, 7.0, 10.0, 0.5, 0.1, 1 / 3])
def test_splits_in_prices_when_both_move_finds_the_ratio(ratio: float) -> None:
    day_before, day_after = 100.0, 100.0 / ratio * 1.01
    splits = found([day_before, day_after], [day_before / ratio, day_after])
    assert [split.ratio for split in splits] == [pytest.approx(ratio)]
    assert splits[0].effective_at == datetime(1970, 1, 2, tzinfo=UTC)


def test_splits_in_prices_when_only_price_falls_finds_none() -> None:
    assert found([100.0, 50.0], [100.0, 50.0]) == ()


def test_splits_in_prices_when_only_factor_jumps_finds_none() -> None:
    assert found([100.0, 100.0], [50.0, 100.0]) == ()


def test_splits_in_prices_when_special_dividend_finds_none() -> None:
    # Microsoft, 15 November 2004: 3.08 on 29.97, a factor jump of 1.1124.
    assert found([29.97, 27.39], [29.97 / 1.11245, 27.39]) == ()


def test_splits_in_prices_when_one_row_finds_none() -> None:
    assert found([100.0], [100.0]) == ()


def test_splits_in_factors_when_factor_steps_returns_each_ratio() -> None:
    splits = splits_in_factors(
        opened_at=np.arange(6, dtype=np.int64) * DAY,
        split_factor=np.array([0.00892857, 0.01785714, np.nan, 0.125, 0.125, 1.0]),
    )
    assert splits == (
        Split(datetime(1970, 1, 2, tzinfo=UTC), 2.0),
        Split(datetime(1970, 1, 4, tzinfo=UTC), 7.0),
        Split(datetime(1970, 1, 6, tzinfo=UTC), 8.0),
    )


def test_simple_ratio_when_near_a_fraction_returns_it() -> None:
    assert simple_ratio(1.996) == Fraction(2)
    assert simple_ratio(1.5) == Fraction(3, 2)
    assert simple_ratio(0.1003) == Fraction(1, 10)


def test_simple_ratio_when_near_none_returns_none() -> None:
    assert simple_ratio(1.1124) is None
    assert simple_ratio(1.98) is None


# --- suspicions from raw prices --------------------------------------------------------------

RecordedBars = Callable[[str, str], BarSeries]
SPLITS_OF = {
    "india/NSE_RELIANCE_1d": [("2017-09-07", 2.0)],
    "india/NSE_TCS_1d": [("2018-05-31", 2.0)],
    "india/NSE_INFY_1d": [("2018-09-04", 2.0)],
    "india/NSE_HDFCBANK_1d": [("2019-09-19", 2.0)],
    "india/NSE_ICICIBANK_1d": [("2017-06-20", 1.1)],
    # Real moves: +27.7 % on 2017-10-25, -17.6 % on 2019-02-08, -10 % at the open of 2017-07-18.
    "india/NSE_SBIN_1d": [],
    "india/NSE_TATAMOTORS_1d": [],
    "india/NSE_ITC_1d": [],
    # Without the profit warning of 2000-09-29.
    "us_equity/AAPL_1d": [
        ("2000-06-21", 2.0),
        ("2005-02-28", 2.0),
        ("2014-06-09", 7.0),
        ("2020-08-31", 4.0),
    ],
    "us_equity/SPY_1d": [],
    "us_equity/BAC_1d": [("2004-08-30", 2.0)],
}


@pytest.mark.parametrize("file", SPLITS_OF)
def test_suspected_splits_when_recorded_finds_the_real_ones_only(
    file: str, recorded_bars: RecordedBars
) -> None:
    found = suspected_splits(recorded_bars(file, "1d"))
    assert [(f"{one.effective_at:%Y-%m-%d}", one.ratio) for one in found] == SPLITS_OF[file]


@pytest.mark.parametrize("file", ["AAPL", "SPY", "BAC"])
def test_suspected_splits_when_file_declares_factors_agree_with_them(
    file: str, recorded_frame: Callable[[str], Any], recorded_bars: RecordedBars
) -> None:
    bars = recorded_bars(f"us_equity/{file}_1d", "1d")
    factor = recorded_frame(f"us_equity/{file}_1d").split_factor.to_numpy()
    declared = splits_in_factors(opened_at=bars.opened_at, split_factor=factor)
    assert suspected_splits(bars) == declared


def quiet(days: int = 60) -> BarSeries:
    """Return dull days at 100, volume 1000, overnight gaps of a tenth of a percent."""
    chance = np.random.default_rng(3)
    close = 100 * np.exp(chance.normal(0, 0.001, days))
    open_ = 100 * np.exp(chance.normal(0, 0.001, days))
    high, low = np.maximum(open_, close) * 1.005, np.minimum(open_, close) * 0.995
    opened_at = np.arange(days, dtype=np.int64) * DAY
    return BarSeries(opened_at, opened_at + DAY, open_, high, low, close, np.full(days, 1000.0))


def split_at(bars: BarSeries, day: int, ratio: float, crowd: float = 1.0) -> BarSeries:
    factor = np.where(np.arange(len(bars)) < day, 1.0, 1 / ratio)
    prices = [side * factor for side in (bars.open, bars.high, bars.low, bars.close)]
    volume = bars.volume / factor
    volume[day] *= crowd
    return BarSeries(bars.opened_at, bars.closed_at, *prices, volume)


@pytest.mark.parametrize("ratio", [2.0, 3.0, 1.5, 4.0, 5.0, 7.0, 10.0, 0.5, 0.1, 1.25, 1.2, 1.1])
def test_suspected_splits_when_nothing_else_happens_finds_the_ratio(ratio: float) -> None:
    found = suspected_splits(split_at(quiet(), 40, ratio))
    assert found == (Split(datetime(1970, 2, 10, tzinfo=UTC), ratio),)


def test_suspected_splits_when_a_crowd_trades_finds_none() -> None:
    assert suspected_splits(split_at(quiet(), 40, 2.0, crowd=6.0)) == ()


def test_suspected_splits_when_little_is_known_finds_none() -> None:
    assert suspected_splits(split_at(quiet(), 15, 2.0)) == ()
    assert suspected_splits(quiet(1)) == ()


def test_suspected_splits_when_volume_is_not_measured_finds_none() -> None:
    bars = split_at(quiet(), 40, 2.0)
    assert suspected_splits(replace(bars, volume=bars.volume * np.nan)) == ()
