"""Kaufman's adaptive moving average (Kaufman 1995): quick in a straight market, slow in noise."""

from dataclasses import dataclass
from math import ceil, nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import squashed, travelled

AVERAGE, MOVE, SIZE = range(3)
QUICK, SLOW = 2.0 / (2.0 + 1.0), 2.0 / (30.0 + 1.0)  # Kaufman's: averages of 2 and of 30 bars


@dataclass(frozen=True)
class KamaParams(IndicatorParams):
    """Bars over which the market's efficiency is measured."""

    period: int = ranged(10, 2, 200)


DEFAULT = KamaParams()


@INDICATORS.register("kama")
def kama(params: KamaParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units.

    Normalised is d / (|d| + usual move of `period` bars) with d = close - average.
    """
    return Indicator(
        name="kama",
        family="trend",
        inputs=("close",),
        outputs=("average", "efficiency"),
        params=params,
        first_value=params.period,
        # measured; noise makes the average slow, and a longer period sees more noise
        warmup=ceil(600 * sqrt(params.period)),
        kernel=kama_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
        size=SIZE,
    )


def kama_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the averages of close and of move by a share that follows the efficiency."""
    close, period = bars[CLOSE], int(numbers[0])
    reach = sqrt(period)  # a random walk's way grows with the square root of its steps
    average, move = state[AVERAGE], state[MOVE]
    for i in range(first, last):
        raw = efficiency = normalised = nan
        begin = i - period
        if begin >= start:
            way = travelled(close, begin, i + 1)
            if begin == start:
                average, move = close[i - 1], way / period
            efficiency = min(abs(close[i] - close[begin]) / way, 1.0) if way > 0.0 else 1.0
            root = efficiency * (QUICK - SLOW) + SLOW
            share = root * root
            tiny = 1e-13 * abs(close[i])
            moved = abs(close[i] - close[i - 1])
            average = share * close[i] + (1.0 - share) * average
            move = share * moved + (1.0 - share) * move
            # land on a constant input, as `averaged` does
            if abs(close[i] - average) <= tiny:
                average = close[i]
            if abs(moved - move) <= tiny:
                move = moved
            raw = average
            normalised = squashed(close[i] - average, reach * move)
        out[0, i - first] = raw
        out[1, i - first] = efficiency
        out[2, i - first] = normalised
    state[AVERAGE], state[MOVE] = average, move
