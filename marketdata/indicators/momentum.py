"""Momentum: by how much the close moved over some bars."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, greater, lesser, window_travels


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
    whole = min(max(first, start + period), last)
    blank(out, whole - first)
    raw, normalised = out[0, whole - first :], out[1, whole - first :]
    window_travels(close, whole, last, period, normalised)
    now, before = close[whole:last], close[whole - period : last - period]
    for place in range(last - whole):
        change, way = now[place] - before[place], normalised[place]
        raw[place] = change
        # a straight way, summed step by step, may round to less than the change
        part = lesser(greater(change / way, -1.0), 1.0)
        normalised[place] = part if way > 0.0 else 0.0
