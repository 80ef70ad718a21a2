"""Splits found, and what only looks like one."""

from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pytest

from domain.bars import Split
from marketdata.feeds.sample_stocks import VENUES, SampleStocksFeed
from marketdata.split_detection import simple_ratio, splits_in_factors, splits_in_prices

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
