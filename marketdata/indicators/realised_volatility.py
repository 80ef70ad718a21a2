"""Realised volatility: the standard deviation of log returns over a window."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import log_return, push, window_mean


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
        size=params.period,
        is_directed=False,
    )


def realised_volatility_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the window's returns and measure them afresh at every bar."""
    close, period = bars[CLOSE], int(numbers[0])
    for i in range(first, last):
        volatility = nan
        if i > start:
            push(state, 0, period, log_return(close[i], close[i - 1]))
            if i - start >= period:
                mean = window_mean(state, 0, period)
                squares = 0.0
                for k in range(period):
                    away = state[k] - mean
                    squares += away * away
                volatility = sqrt(squares / (period - 1))
        out[0, i - first] = volatility
        out[1, i - first] = nan
