"""Weighted moving average: weights fall in a straight line from the newest close to nothing."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import linear_weights, squashed, travelled, weighted_mean


@dataclass(frozen=True)
class WmaParams(IndicatorParams):
    """Closes averaged."""

    period: int = ranged(20, 2, 400)


DEFAULT = WmaParams()


@INDICATORS.register("wma")
def wma(params: WmaParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units.

    Normalised is d / (|d| + usual move of `period` bars) with d = close - average.
    """
    return Indicator(
        name="wma",
        family="trend",
        inputs=("close",),
        outputs=("average",),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=wma_kernel,
        numbers=linear_weights(params.period),
        lookback=params.period,
    )


def wma_kernel(bars, start, first, last, _state, weights, out):  # type: ignore[no-untyped-def]
    """Weigh the window afresh at every bar."""
    close, period = bars[CLOSE], len(weights)
    for i in range(first, last):
        average = normalised = nan
        begin = i + 1 - period
        if begin >= start:
            average = weighted_mean(close, begin, i + 1, weights)
            # the way of a random walk grows with the square root of its steps
            move = travelled(close, begin, i + 1) / (period - 1)
            normalised = squashed(close[i] - average, sqrt(period) * move)
        out[0, i - first] = average
        out[1, i - first] = normalised
