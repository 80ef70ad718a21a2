"""Realised volatility: the standard deviation of log returns over a window."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import (
    ROOM,
    blank,
    keep,
    log_return,
    window_means,
    window_squares,
)


@dataclass(frozen=True)
class RealisedVolatilityParams(IndicatorParams):
    """Returns of the window."""

    period: int = ranged(20, 2, 400)


DEFAULT = RealisedVolatilityParams()


@INDICATORS.register("realised_volatility")
def realised_volatility(params: RealisedVolatilityParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the deviation of one bar's return, a fraction, not annualised."""
    return Indicator(
        name="realised_volatility",
        family="volatility",
        inputs=("close",),
        outputs=("volatility",),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=realised_volatility_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=params.period - 1 + ROOM,
        is_directed=False,
    )


def realised_volatility_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Measure the window's returns afresh at every bar; the state holds them."""
    close, period = bars[CLOSE], int(numbers[0])
    kept = period - 1
    for begin in range(first, last, ROOM):
        size = min(ROOM, last - begin)
        for i in range(max(begin, start + 1), begin + size):
            state[kept + i - begin] = log_return(close[i], close[i - 1])
        volatility = out[0, begin - first : begin - first + size]
        mean = out[1, begin - first : begin - first + size]
        window_means(state, kept, kept + size, period, mean)
        window_squares(state, kept, kept + size, period, mean, volatility)
        for place in range(size):
            volatility[place] = sqrt(volatility[place] / (period - 1))
            mean[place] = nan
        keep(state, size)
    blank(out, min(max(start + period - first, 0), last - first))
