"""Rate of change: by how many percent the close moved over some bars."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import squashed, travelled


@dataclass(frozen=True)
class RocParams(IndicatorParams):
    """Bars between the two closes."""

    period: int = ranged(12, 2, 400)


DEFAULT = RocParams()


@INDICATORS.register("roc")
def roc(params: RocParams = DEFAULT) -> Indicator:
    """Return the fold: raw in percent of the earlier close.

    Normalised is change / (|change| + usual move of `period` bars), 0 when nothing moves.
    """
    return Indicator(
        name="roc",
        family="momentum",
        inputs=("close",),
        outputs=("roc",),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=roc_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
    )


def roc_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Compare the two closes, and measure the way between them afresh."""
    close, period = bars[CLOSE], int(numbers[0])
    for i in range(first, last):
        raw = normalised = nan
        begin = i - period
        if begin >= start:
            change = close[i] - close[begin]
            raw = 100.0 * (change / close[begin]) if close[begin] != 0.0 else 0.0
            # the way of a random walk grows with the square root of its steps
            move = travelled(close, begin, i + 1) / period
            normalised = squashed(change, sqrt(period) * move)
        out[0, i - first] = raw
        out[1, i - first] = normalised
