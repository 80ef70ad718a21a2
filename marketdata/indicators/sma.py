"""Simple moving average: the plain mean of the last closes."""

from dataclasses import dataclass
from math import sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, squashed, window_means, window_travels


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
    whole = min(max(first, start + period - 1), last)
    blank(out, whole - first)
    average, normalised = out[0, whole - first :], out[1, whole - first :]
    window_means(close, whole, last, period, average)
    window_travels(close, whole, last, period - 1, normalised)
    # the way of a random walk grows with the square root of its steps
    reach = sqrt(period) / (period - 1)
    for i in range(last - whole):
        normalised[i] = squashed(close[whole + i] - average[i], reach * normalised[i])
