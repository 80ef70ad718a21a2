"""Trend indicators against TA-Lib, and against plain second ones where it has none."""

import pytest
import talib

from marketdata.indicators.sma import SmaParams, sma
from tests.marketdata.indicators.test_second_opinions import (
    assert_equal,
    columns,
    every_symbol,
    outputs,
)


@every_symbol
@pytest.mark.parametrize("period", [20, 5])
def test_sma_when_compared_with_talib_agrees(symbol: str, period: int) -> None:
    _, _, close = columns(symbol)
    (ours,) = outputs(sma(SmaParams(period)), symbol)
    assert_equal(ours, talib.SMA(close, period), period - 1)
