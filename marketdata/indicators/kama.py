"""Kaufman's adaptive moving average (Kaufman 1995): quick in a straight market, slow in noise."""

from dataclasses import dataclass
from math import ceil, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, lesser, squashed, window_travels

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
    whole = min(max(first, start + period), last)
    blank(out, whole - first)
    averages, efficiencies = out[0, whole - first :], out[1, whole - first :]
    normalised = out[2, whole - first :]
    window_travels(close, whole, last, period, normalised)
    average, move = state[AVERAGE], state[MOVE]
    if whole == start + period and whole < last:
        average, move = close[whole - 1], normalised[0] / period
    now, before = close[whole:last], close[whole - period : last - period]
    for place in range(last - whole):
        way = normalised[place]
        part = lesser(abs(now[place] - before[place]) / way, 1.0)
        efficiencies[place] = part if way > 0.0 else 1.0
    for place in range(last - whole):
        root = efficiencies[place] * (QUICK - SLOW) + SLOW
        share = root * root
        value = now[place]
        tiny = 1e-13 * abs(value)
        moved = abs(value - close[whole + place - 1])
        average = share * value + (1.0 - share) * average
        move = share * moved + (1.0 - share) * move
        # land on a constant input, as `averaged` does; storing it keeps these two rare branches
        # from becoming choices that every step waits for
        if abs(value - average) <= tiny:
            state[AVERAGE] = average = value
        if abs(moved - move) <= tiny:
            state[MOVE] = move = moved
        averages[place] = average
        normalised[place] = move
    for place in range(last - whole):
        normalised[place] = squashed(now[place] - averages[place], reach * normalised[place])
    state[AVERAGE], state[MOVE] = average, move
