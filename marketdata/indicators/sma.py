"""Simple moving average: the plain mean of the last closes."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import squashed, travelled, window_mean


@dataclass(frozen=True)
class SmaParams(IndicatorParams):
    """Closes averaged."""

    period: int = ranged(20, 2, 400)


DEFAULT = SmaParams()


@INDICATORS.register("sma")
def sma(params: SmaParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units.

    Normalised is d / (|d| + usual move of `period` bars) with d = close - average.
    """
    return Indicator(
        name="sma",
        family="trend",
        inputs=("close",),
        outputs=("average",),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=sma_kernel,
        numbers=(float(params.period),),
        lookback=params.period,
    )


def sma_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Average the window afresh at every bar."""
    close, period = bars[CLOSE], int(numbers[0])
    for i in range(first, last):
        average = normalised = nan
        begin = i + 1 - period
        if begin >= start:
            average = window_mean(close, begin, i + 1)
            # the way of a random walk grows with the square root of its steps
            move = travelled(close, begin, i + 1) / (period - 1)
            normalised = squashed(close[i] - average, sqrt(period) * move)
        out[0, i - first] = average
        out[1, i - first] = normalised
