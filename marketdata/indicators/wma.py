"""Weighted moving average: weights fall in a straight line from the newest close to nothing."""

from dataclasses import dataclass
from math import sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import (
    blank,
    linear_weights,
    squashed,
    window_travels,
    window_weighted,
)


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
    whole = min(max(first, start + period - 1), last)
    blank(out, whole - first)
    average, normalised = out[0, whole - first :], out[1, whole - first :]
    window_weighted(close, whole, last, weights, average)
    window_travels(close, whole, last, period - 1, normalised)
    # the way of a random walk grows with the square root of its steps
    reach = sqrt(period) / (period - 1)
    for place in range(last - whole):
        distance = close[whole + place] - average[place]
        normalised[place] = squashed(distance, reach * normalised[place])
