"""Rate of change: by how many percent the close moved over some bars."""

from dataclasses import dataclass
from math import sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, squashed, window_travels


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
    whole = min(max(first, start + period), last)
    blank(out, whole - first)
    raw, normalised = out[0, whole - first :], out[1, whole - first :]
    window_travels(close, whole, last, period, normalised)
    now, before = close[whole:last], close[whole - period : last - period]
    # the way of a random walk grows with the square root of its steps
    reach = sqrt(period) / period
    for place in range(last - whole):
        change = now[place] - before[place]
        raw[place] = 100.0 * (change / before[place]) if before[place] != 0.0 else 0.0
        normalised[place] = squashed(change, reach * normalised[place])
