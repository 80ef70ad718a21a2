"""Williams %R (Williams 1973): how far below the highest high of the last bars the close lies."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import highest, lowest


@dataclass(frozen=True)
class WilliamsRParams(IndicatorParams):
    """Bars of the range."""

    period: int = ranged(14, 2, 400)


DEFAULT = WilliamsRParams()


@INDICATORS.register("williams_r")
def williams_r(params: WilliamsRParams = DEFAULT) -> Indicator:
    """Return the fold: raw -100…0, -50 when nothing moves; normalised raw / 50 + 1."""
    return Indicator(
        name="williams_r",
        family="momentum",
        inputs=("high", "low", "close"),
        outputs=("percent_r",),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=williams_r_kernel,
        numbers=(float(params.period),),
        lookback=params.period,
    )


def williams_r_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Look the window through afresh at every bar."""
    high, low, close, period = bars[HIGH], bars[LOW], bars[CLOSE], int(numbers[0])
    for i in range(first, last):
        raw = normalised = nan
        begin = i + 1 - period
        if begin >= start:
            top = highest(high, begin, i + 1)
            span = top - lowest(low, begin, i + 1)
            raw = -100.0 * ((top - close[i]) / span) if span > 0.0 else -50.0
            normalised = raw / 50.0 + 1.0
        out[0, i - first] = raw
        out[1, i - first] = normalised
