"""Momentum: by how much the close moved over some bars."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import held, travelled


@dataclass(frozen=True)
class MomentumParams(IndicatorParams):
    """Bars between the two closes."""

    period: int = ranged(10, 2, 400)


DEFAULT = MomentumParams()


@INDICATORS.register("momentum")
def momentum(params: MomentumParams = DEFAULT) -> Indicator:
    """Return the fold: raw in price units; normalised over all the way travelled, 0 at rest."""
    return Indicator(
        name="momentum",
        family="momentum",
        inputs=("close",),
        outputs=("momentum",),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=momentum_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
    )


def momentum_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Compare the two closes, and measure the way between them afresh."""
    close, period = bars[CLOSE], int(numbers[0])
    for i in range(first, last):
        raw = normalised = nan
        begin = i - period
        if begin >= start:
            raw = close[i] - close[begin]
            way = travelled(close, begin, i + 1)
            # a straight way, summed step by step, may round to less than the change
            normalised = held(raw / way, -1.0, 1.0) if way > 0.0 else 0.0
        out[0, i - first] = raw
        out[1, i - first] = normalised
