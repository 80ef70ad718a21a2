"""Williams %R (Williams 1973): how far below the highest high of the last bars the close lies."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, window_highs, window_lows


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
    whole = min(max(first, start + period - 1), last)
    blank(out, whole - first)
    raw, normalised = out[0, whole - first :], out[1, whole - first :]
    window_highs(high, whole, last, period, raw)
    window_lows(low, whole, last, period, normalised)
    for place in range(last - whole):
        top = raw[place]
        span = top - normalised[place]
        now = -100.0 * ((top - close[whole + place]) / span) if span > 0.0 else -50.0
        raw[place] = now
        normalised[place] = now / 50.0 + 1.0
