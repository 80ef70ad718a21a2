"""Volatility indicators against TA-Lib, and against plain second ones where it has none."""

import pytest
import talib

from marketdata.indicators.atr import AtrParams, atr
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
