"""Adjusted views: the recorded files' own factors, and what was known when."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bars import BarSeries, Split, from_micros
from marketdata.adjustment import Adjustment, DividendFactor, adjusted, dividends_in_factors
from marketdata.split_detection import splits_in_factors

RecordedBars = Callable[[str, str], BarSeries]
DAY = 86_400_000_000


def day(number: int) -> datetime:
    return from_micros(number * DAY)


def flat(days: int = 6) -> BarSeries:
    opened_at = np.arange(days, dtype=np.int64) * DAY
    price = np.full(days, 12.0)
    return BarSeries(opened_at, opened_at + DAY, price, price, price, price, np.full(days, 30.0))


SPLITS = (Split(day(2), 2.0), Split(day(4), 3.0))
DIVIDENDS = (DividendFactor(day(1), 0.5),)


def test_adjusted_when_raw_returns_the_bars() -> None:
    bars = flat()
    assert adjusted(bars, SPLITS, DIVIDENDS, Adjustment.RAW) is bars


def test_adjusted_when_splits_divides_prices_and_multiplies_volumes() -> None:
    found = adjusted(flat(), SPLITS, DIVIDENDS, Adjustment.SPLITS)
    assert found.close.tolist() == [2.0, 2.0, 4.0, 4.0, 12.0, 12.0]
    assert found.volume.tolist() == [180.0, 180.0, 90.0, 90.0, 30.0, 30.0]


def test_adjusted_when_all_takes_dividends_out_of_prices_only() -> None:
    found = adjusted(flat(), SPLITS, DIVIDENDS, Adjustment.ALL)
    assert found.open.tolist() == [1.0, 2.0, 4.0, 4.0, 12.0, 12.0]
    assert found.volume.tolist() == [180.0, 180.0, 90.0, 90.0, 30.0, 30.0]


def test_adjusted_when_as_of_earlier_knows_no_later_event() -> None:
    bars = flat()
    before = adjusted(bars, SPLITS, DIVIDENDS, Adjustment.ALL, as_of=day(3))
    assert before.close.tolist() == [3.0, 6.0, 12.0, 12.0, 12.0, 12.0]
    at_it = adjusted(bars, SPLITS, (), Adjustment.SPLITS, as_of=day(4))
    assert at_it.close.tolist() == adjusted(bars, SPLITS, (), Adjustment.SPLITS).close.tolist()
    assert adjusted(bars, SPLITS, (), Adjustment.SPLITS, as_of=day(0)).close.tolist() == (
        bars.close.tolist()
    )


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0.5, 1.5, 2.0, 7.0])), max_size=6),
    st.integers(0, 40),
)
def test_adjusted_when_any_splits_keeps_turnover(
    events: list[tuple[int, float]], known_to: int
) -> None:
    splits = [Split(day(number), ratio) for number, ratio in events]
    bars = flat(40)
    found = adjusted(bars, splits, (), Adjustment.SPLITS, as_of=day(known_to))
    np.testing.assert_allclose(found.close * found.volume, bars.close * bars.volume)
    expected = [
        np.prod([ratio for at, ratio in events if number < at <= known_to]) for number in range(40)
    ]
    np.testing.assert_allclose(bars.close / found.close, expected)


@pytest.mark.parametrize("symbol", ["AAPL", "SPY", "BAC"])
def test_adjusted_when_recorded_equals_the_factor_columns(
    symbol: str, recorded_frame: Callable[[str], Any], recorded_bars: RecordedBars
) -> None:
    frame = recorded_frame(f"us_equity/{symbol}_1d")
    bars = recorded_bars(f"us_equity/{symbol}_1d", "1d")
    price_factor, split_factor = frame.price_factor.to_numpy(), frame.split_factor.to_numpy()
    found = adjusted(
        bars,
        splits_in_factors(opened_at=bars.opened_at, split_factor=split_factor),
        dividends_in_factors(opened_at=bars.opened_at, price_factor=price_factor),
        Adjustment.ALL,
    )
    expected = frame.close.to_numpy() * price_factor * split_factor
    # The file's factors look back from a later day: equal up to one scale.
    scale = price_factor[-1] * split_factor[-1]
    # Split factors have seven decimals or eight: 0.0178571 stands for 1/56.
    np.testing.assert_allclose(found.close * scale, expected, rtol=3e-6)
    np.testing.assert_allclose(
        found.volume / split_factor[-1], frame.volume.to_numpy() / split_factor, rtol=3e-6
    )


def test_dividends_in_factors_when_it_steps_returns_each() -> None:
    found = dividends_in_factors(
        opened_at=np.arange(5, dtype=np.int64) * DAY,
        price_factor=np.array([0.8, 0.8, np.nan, 0.9, 1.0]),
    )
    assert found == (DividendFactor(day(3), 0.8 / 0.9), DividendFactor(day(4), 0.9))
    assert found[0].effective_at == datetime(1970, 1, 4, tzinfo=UTC)
