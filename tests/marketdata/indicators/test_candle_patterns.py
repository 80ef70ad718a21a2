"""Every candle pattern against TA-Lib, value by value, and the balance against the rows."""

from functools import cache

import numpy as np
import pytest
import talib

from domain.bars import FloatArray
from marketdata.indicators.candle_patterns import BEFORE, ROWS, Row, candle, candle_patterns
from marketdata.indicators.columns import COLUMNS
from marketdata.indicators.fold import outputs_over
from marketdata.indicators.registry import Indicator
from tests.marketdata.indicators import suite

REAL = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
MADE = ("whole prices", "any prices")
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@cache
def prices(market: str) -> FloatArray:
    """Return open, high, low, close of a real series or of 100,000 made bars full of patterns."""
    if market in REAL:
        bars = suite.daily_bars(market)
        return np.array([(bar.open, bar.high, bar.low, bar.close) for bar in bars]).T.copy()
    size, chance = 100_000, np.random.default_rng(7)
    if market == "whole prices":  # ties everywhere: shared edges, equal closes, bodies at the mean
        gap, body = chance.choice([-3, -1, 0, 0, 0, 1, 3], size), chance.integers(-4, 5, size)
        upper, lower = chance.choice([0, 0, 1, 3], (2, size))
    else:
        step = chance.choice([0.1, 0.5, 1.0, 2.0], size)
        gap = step * chance.normal(size=size) * chance.choice([0.0, 0.05, 0.5, 1.0], size)
        body = step * chance.normal(size=size)
        upper, lower = np.abs(step * chance.normal(size=(2, size))) * chance.choice(
            [0.0, 0.05, 1.0], (2, size)
        )
    close = 10_000.0 + np.cumsum(gap + body)
    open_ = close - body
    high, low = np.maximum(open_, close) + upper, np.minimum(open_, close) - lower
    return np.array([open_, high, low, close])


def ours(indicator: Indicator, market: str) -> FloatArray:
    four = prices(market)
    columns = np.full((COLUMNS, four.shape[1]), np.nan)
    columns[:4] = four
    return outputs_over((indicator,), columns)[0]


def theirs(row: Row, market: str) -> FloatArray:
    function = getattr(talib, row.name.replace("_", "").upper())
    return function(*prices(market)).astype(float)


@every_row
@pytest.mark.parametrize("market", [*REAL, *MADE])
def test_pattern_when_compared_with_talib_has_its_value_at_every_bar(row: Row, market: str) -> None:
    # TA-Lib adds to running totals, we sum afresh: a body on the very edge of a mean might fall on
    # either side of it. In these bars none does, so nothing is left out of the comparison.
    found, wanted = ours(candle(row), market)[0], theirs(row, market)
    assert np.isnan(found[:BEFORE]).all()
    assert np.flatnonzero(found[BEFORE:] != wanted[BEFORE:]).tolist() == []


@every_row
def test_pattern_when_talib_never_sees_it_in_real_series_is_listed(row: Row) -> None:
    is_real = any(theirs(row, market)[BEFORE:].any() for market in REAL)
    assert is_real == (row.name not in suite.NEVER_SEEN)
    assert any(theirs(row, market).any() for market in MADE)  # so that no comparison is empty


def test_rows_when_counted_are_all_of_talibs() -> None:
    names = {row.name.replace("_", "").upper() for row in ROWS}
    assert names == set(talib.get_function_groups()["Pattern Recognition"])
    assert [row.place for row in ROWS] == list(range(61))


@pytest.mark.parametrize("market", ["AAPL", "whole prices"])
def test_balance_when_added_up_row_by_row_agrees(market: str) -> None:
    net, bullish, bearish, undirected, normalised = ours(candle_patterns(), market)[:, BEFORE:]
    signs = [np.sign(theirs(row, market)[BEFORE:]) for row in ROWS if row.is_directed]
    up = sum((sign > 0.0).astype(float) for sign in signs)
    down = sum((sign < 0.0).astype(float) for sign in signs)
    others = [theirs(row, market)[BEFORE:] != 0.0 for row in ROWS if not row.is_directed]
    assert (bullish == up).all()
    assert (bearish == down).all()
    assert (net == up - down).all()
    assert (undirected == sum(one.astype(float) for one in others)).all()
    assert (normalised == (up - down) / (up + down + 1.0)).all()


@pytest.mark.parametrize(
    ("name", "last_two", "value"),
    [
        ("cdl_engulfing", [(10.0, 9.0), (8.5, 10.5)], 100.0),
        ("cdl_engulfing", [(10.0, 9.0), (9.0, 10.5)], 80.0),  # an edge shared
        ("cdl_engulfing", [(9.0, 10.0), (10.5, 8.5)], -100.0),
        ("cdl_engulfing", [(9.0, 10.0), (8.5, 10.5)], 0.0),  # one colour
        ("cdl_harami", [(12.0, 9.0), (10.0, 10.5)], 100.0),
        ("cdl_harami", [(9.0, 12.0), (12.0, 11.5)], -80.0),
        ("cdl_doji", [(10.0, 11.0), (11.0, 11.0)], 100.0),
        ("cdl_hikkake", [(10.0, 11.0), (11.0, 11.5)], 0.0),
    ],
)
def test_pattern_when_drawn_has_the_value_of_the_book(
    name: str, last_two: list[tuple[float, float]], value: float
) -> None:
    bodies = [(10.0, 11.0), (11.0, 10.0)] * 10 + last_two
    rows = [(open_, max(open_, close), min(open_, close), close) for open_, close in bodies]
    columns = np.full((COLUMNS, len(rows)), np.nan)
    columns[:4] = np.array(rows).T
    (row,) = (row for row in ROWS if row.name == name)
    assert outputs_over((candle(row),), columns)[0][0, -1] == value
