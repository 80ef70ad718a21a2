"""Hull moving average (Hull 2005): weighted averages set against each other's lag."""

from dataclasses import dataclass
from math import isqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import (
    blank,
    linear_weights,
    squashed,
    window_travels,
    window_weighted,
)

BEFORE, SIZE = range(2)


@dataclass(frozen=True)
class HmaParams(IndicatorParams):
    """Closes of the longest of the three weighted averages."""

    period: int = ranged(16, 4, 400)


DEFAULT = HmaParams()


@INDICATORS.register("hma")
def hma(params: HmaParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units.

    Normalised is s / (|s| + average move of one bar), s the average's step since the bar before.
    """
    weights = hull_weights(params.period)
    return Indicator(
        name="hma",
        family="trend",
        inputs=("close",),
        outputs=("average",),
        params=params,
        first_value=len(weights),
        warmup=len(weights),
        kernel=hma_kernel,
        numbers=weights,
        lookback=len(weights),
        size=SIZE,
    )


def hull_weights(period: int) -> tuple[float, ...]:
    """Return what each close weighs in WMA(2 * WMA(period / 2) - WMA(period), root of period).

    Averages of averages are one average of closes: oldest first, the weights sum to 1.
    """
    half, root = period // 2, isqrt(period)
    inner = [-weight for weight in linear_weights(period)]
    for place, weight in enumerate(linear_weights(half)):
        inner[period - half + place] += 2.0 * weight
    weights = [0.0] * (period + root - 1)
    for late, outer in enumerate(linear_weights(root)):
        for place, weight in enumerate(inner):
            weights[late + place] += outer * weight
    return tuple(weights)


def hma_kernel(bars, start, first, last, state, weights, out):  # type: ignore[no-untyped-def]
    """Weigh the window afresh at every bar."""
    close, size = bars[CLOSE], len(weights)
    whole = min(max(first, start + size - 1), last)
    average, normalised = out[0, whole - first :], out[1, whole - first :]
    window_weighted(close, whole, last, weights, average)
    window_travels(close, whole, last, size - 1, normalised)
    before = state[BEFORE]
    for place in range(last - whole):
        now = average[place]
        normalised[place] = squashed(now - before, normalised[place] / (size - 1))
        before = now
    state[BEFORE] = before
    # the step needs one bar more than the average
    blank(out, min(max(start + size - first, 0), last - first))
