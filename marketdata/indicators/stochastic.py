"""Stochastic oscillator (Lane): where the close lies in the range of the last bars, smoothed."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import highest, lowest, push, window_sum


@dataclass(frozen=True)
class StochasticParams(IndicatorParams):
    """Bars of the range, of the mean that slows %K, and of the mean that makes %D of it."""

    period: int = ranged(14, 2, 400)
    slowing: int = ranged(3, 1, 100)
    signal: int = ranged(3, 1, 100)


DEFAULT = StochasticParams()


@INDICATORS.register("stochastic")
def stochastic(params: StochasticParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the slow %K, 0…100, 50 at rest; normalised raw / 50 - 1."""
    first_value = params.period + params.slowing + params.signal - 3
    return Indicator(
        name="stochastic",
        family="momentum",
        inputs=("high", "low", "close"),
        outputs=("k", "d"),
        params=params,
        first_value=first_value,
        warmup=first_value,
        kernel=stochastic_kernel,
        numbers=(float(params.period), float(params.slowing), float(params.signal)),
        lookback=params.period,
        size=params.slowing + params.signal,
    )


def stochastic_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last fast and slow values, and average them afresh at every bar."""
    high, low, close = bars[HIGH], bars[LOW], bars[CLOSE]
    period, slowing, signal = int(numbers[0]), int(numbers[1]), int(numbers[2])
    early = period + slowing + signal - 3
    for i in range(first, last):
        slow = mean = normalised = nan
        begin = i + 1 - period
        if begin >= start:
            bottom = lowest(low, begin, i + 1)
            span = highest(high, begin, i + 1) - bottom
            place = 100.0 * ((close[i] - bottom) / span) if span > 0.0 else 50.0
            push(state, 0, slowing, place)
            push(state, slowing, slowing + signal, window_sum(state, 0, slowing) / slowing)
        if i - start >= early:
            slow = state[slowing + signal - 1]
            mean = window_sum(state, slowing, slowing + signal) / signal
            normalised = slow / 50.0 - 1.0
        out[0, i - first] = slow
        out[1, i - first] = mean
        out[2, i - first] = normalised
