"""The set of 25 by TA-Lib, and what it lacks (SuperTrend, CMF, VWAP) as a peer would write it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.bars import BarSeries, FloatArray, IntArray

MICROS_OF_A_DAY = 86_400_000_000


@dataclass(frozen=True)
class Prices:
    """Columns of bars, and the day of each."""

    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    day: IntArray

    @classmethod
    def of(cls, bars: BarSeries) -> "Prices":
        """Return the columns of the bars."""
        days = bars.opened_at // MICROS_OF_A_DAY
        return cls(bars.high, bars.low, bars.close, bars.volume, days)

    def first(self, count: int) -> "Prices":
        """Return the first `count` bars."""
        high, low, close = self.high[:count], self.low[:count], self.close[:count]
        return Prices(high, low, close, self.volume[:count], self.day[:count])


Peer = Callable[[Prices], Any]


def by_talib() -> dict[str, Peer]:
    """Return one callable per indicator, our default parameters, all outputs that both have."""
    import talib  # noqa: PLC0415 - for this benchmark alone

    step, plain = _supertrend_loop(), talib.MA_Type.SMA  # type: ignore[attr-defined]
    return {
        "sma": lambda p: talib.SMA(p.close, 20),
        "ema": lambda p: talib.EMA(p.close, 20),
        "wma": lambda p: talib.WMA(p.close, 20),
        "dema": lambda p: talib.DEMA(p.close, 20),
        "tema": lambda p: talib.TEMA(p.close, 20),
        "kama": lambda p: talib.KAMA(p.close, 10),
        "macd": lambda p: talib.MACD(p.close, 12, 26, 9),
        "adx": lambda p: (
            talib.ADX(p.high, p.low, p.close, 14),
            talib.PLUS_DI(p.high, p.low, p.close, 14),
            talib.MINUS_DI(p.high, p.low, p.close, 14),
        ),
        "aroon": lambda p: talib.AROON(p.high, p.low, 25),
        "parabolic_sar": lambda p: talib.SAR(p.high, p.low, 0.02, 0.2),
        "supertrend": lambda p: step(
            p.high, p.low, p.close, talib.ATR(p.high, p.low, p.close, 10), 3.0
        ),
        "rsi": lambda p: talib.RSI(p.close, 14),
        "stochastic": lambda p: talib.STOCH(p.high, p.low, p.close, 14, 3, plain, 3, plain),
        "stoch_rsi": lambda p: talib.STOCHRSI(p.close, 14, 14, 3, plain),
        "williams_r": lambda p: talib.WILLR(p.high, p.low, p.close, 14),
        "cci": lambda p: talib.CCI(p.high, p.low, p.close, 20),
        "roc": lambda p: talib.ROC(p.close, 10),
        "momentum": lambda p: talib.MOM(p.close, 10),
        "ultimate_oscillator": lambda p: talib.ULTOSC(p.high, p.low, p.close, 7, 14, 28),
        "bollinger": lambda p: talib.BBANDS(p.close, 20, 2.0, 2.0, plain),
        "atr": lambda p: talib.ATR(p.high, p.low, p.close, 14),
        "obv": lambda p: talib.OBV(p.close, p.volume),
        "mfi": lambda p: talib.MFI(p.high, p.low, p.close, p.volume, 14),
        "cmf": lambda p: _cmf(p, 20),
        "vwap": _vwap,
    }


def _cmf(p: Prices, period: int) -> FloatArray:
    """Chaikin money flow by cumulative sums: fast, and not exact over a million bars."""
    span = p.high - p.low
    flow = np.divide(
        (2 * p.close - p.high - p.low) * p.volume, span, out=np.zeros_like(span), where=span > 0
    )
    sums = [np.cumsum(np.concatenate(([0.0], one))) for one in (flow, p.volume)]
    moved, volume = (one[period:] - one[:-period] for one in sums)
    answer: FloatArray = moved / volume
    return answer


def _vwap(p: Prices) -> FloatArray:
    """Volume-weighted average price since the day began, by cumulative sums."""
    typical = (p.high + p.low + p.close) / 3
    worth, volume = np.cumsum(typical * p.volume), np.cumsum(p.volume)
    begins = np.flatnonzero(np.diff(p.day, prepend=p.day[0] - 1))
    lengths = np.diff(np.append(begins, len(p.day)))
    before = [np.repeat(np.concatenate(([0.0], one))[begins], lengths) for one in (worth, volume)]
    answer: FloatArray = (worth - before[0]) / (volume - before[1])
    return answer


def _supertrend_loop() -> Callable[..., Any]:
    from numba import njit  # noqa: PLC0415 - for this benchmark alone

    @njit
    def supertrend(high, low, close, atr, factor):  # type: ignore[no-untyped-def]
        line = np.full(len(close), np.nan)
        upper = lower = np.nan
        is_up = True
        for i in range(1, len(close)):
            if np.isnan(atr[i]):
                continue
            middle = (high[i] + low[i]) / 2
            up, down = middle + factor * atr[i], middle - factor * atr[i]
            if not (up >= upper and close[i - 1] <= upper):
                upper = up
            if not (down <= lower and close[i - 1] >= lower):
                lower = down
            if close[i] > upper:
                is_up = True
            elif close[i] < lower:
                is_up = False
            line[i] = lower if is_up else upper
        return line

    loop: Callable[..., Any] = supertrend
    return loop
