"""Exponential moving average: each bar back weighs a fixed share less."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed

AVERAGE, MOVE, SIZE = range(3)


@dataclass(frozen=True)
class EmaParams(IndicatorParams):
    """Bars of the average: the newest close weighs 2 / (period + 1)."""

    period: int = ranged(20, 2, 400)


DEFAULT = EmaParams()


@INDICATORS.register("ema")
def ema(params: EmaParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units.

    Normalised is d / (|d| + usual move of `period` bars) with d = close - average.
    """
    return Indicator(
        name="ema",
        family="trend",
        inputs=("close",),
        outputs=("average",),
        params=params,
        first_value=params.period - 1,
        warmup=34 * params.period,
        kernel=ema_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=SIZE,
    )


def ema_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the average of the closes and that of their moves."""
    close, period = bars[CLOSE], numbers[0]
    share = 2.0 / (period + 1.0)
    reach = sqrt(period)  # a random walk's way grows with the square root of its steps
    average, move = state[AVERAGE], state[MOVE]
    for i in range(first, last):
        count = i - start + 1
        raw = normalised = nan
        tiny = 1e-13 * abs(close[i])
        average = averaged(average, close[i], count, period, share, tiny)
        if count > 1:
            moved = abs(close[i] - close[i - 1])
            move = averaged(move, moved, count - 1, period - 1.0, share, tiny)
        if count >= period:
            raw = average
            normalised = squashed(close[i] - average, reach * move)
        out[0, i - first] = raw
        out[1, i - first] = normalised
    state[AVERAGE], state[MOVE] = average, move
