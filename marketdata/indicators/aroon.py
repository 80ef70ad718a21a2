"""Aroon (Chande 1995): how lately the highest high and the lowest low were made."""

from dataclasses import dataclass
from math import nan

from domain.bars import FloatArray
from marketdata.indicators.columns import HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged

TOP, BOTTOM, SIZE = range(3)


@dataclass(frozen=True)
class AroonParams(IndicatorParams):
    """Bars back that an extreme may lie."""

    period: int = ranged(14, 2, 400)


DEFAULT = AroonParams()


@INDICATORS.register("aroon")
def aroon(params: AroonParams = DEFAULT) -> Indicator:
    """Return the fold: raw is up - down, -100…100; normalised raw / 100."""
    return Indicator(
        name="aroon",
        family="trend",
        inputs=("high", "low"),
        outputs=("oscillator", "up", "down"),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=aroon_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
        size=SIZE,
    )


def since_highest(values: FloatArray, begin: int, end: int) -> int:
    """Return how many places before the last the greatest of values[begin:end] lies, at latest."""
    found = end - 1
    for place in range(end - 2, begin - 1, -1):
        if values[place] > values[found]:
            found = place
    return end - 1 - found


def since_lowest(values: FloatArray, begin: int, end: int) -> int:
    """Return how many places before the last the least of values[begin:end] lies, at latest."""
    found = end - 1
    for place in range(end - 2, begin - 1, -1):
        if values[place] < values[found]:
            found = place
    return end - 1 - found


def aroon_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep how long ago both extremes were, and look the window through once one has left it."""
    high, low, period = bars[HIGH], bars[LOW], int(numbers[0])
    top, bottom = int(state[TOP]), int(state[BOTTOM])
    for i in range(first, last):
        oscillator = up = down = normalised = nan
        begin = i - period
        if begin >= start:
            top += 1
            bottom += 1
            if begin == start or top > period:
                top = since_highest(high, begin, i + 1)
            elif high[i] >= high[i - top]:
                top = 0
            if begin == start or bottom > period:
                bottom = since_lowest(low, begin, i + 1)
            elif low[i] <= low[i - bottom]:
                bottom = 0
            up = 100.0 * (period - top) / period
            down = 100.0 * (period - bottom) / period
            oscillator = 100.0 * (bottom - top) / period
            normalised = (bottom - top) / period
        out[0, i - first] = oscillator
        out[1, i - first] = up
        out[2, i - first] = down
        out[3, i - first] = normalised
    state[TOP], state[BOTTOM] = top, bottom
