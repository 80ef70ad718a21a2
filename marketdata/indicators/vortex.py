"""Vortex (Botes and Siepman 2010): the way from low to next high against that from high to low."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import push, window_sum


@dataclass(frozen=True)
class VortexParams(IndicatorParams):
    """Bars summed."""

    period: int = ranged(14, 2, 400)


DEFAULT = VortexParams()


@INDICATORS.register("vortex")
def vortex(params: VortexParams = DEFAULT) -> Indicator:
    """Return the fold: raw is plus - minus; normalised that over plus + minus, 0 at rest."""
    return Indicator(
        name="vortex",
        family="trend",
        inputs=("high", "low", "close"),
        outputs=("difference", "plus", "minus"),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=vortex_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=3 * params.period,
    )


def vortex_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last ways and ranges, and sum them afresh at every bar."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period = int(numbers[0])
    for i in range(first, last):
        difference = plus = minus = normalised = nan
        if i > start:
            high, low, before = highs[i], lows[i], closes[i - 1]
            push(state, 0, period, abs(high - lows[i - 1]))
            push(state, period, 2 * period, abs(low - highs[i - 1]))
            push(state, 2 * period, 3 * period, max(high, before) - min(low, before))
        if i - start >= period:
            ups, downs = window_sum(state, 0, period), window_sum(state, period, 2 * period)
            ranges = window_sum(state, 2 * period, 3 * period)
            plus = ups / ranges if ranges > 0.0 else 0.0
            minus = downs / ranges if ranges > 0.0 else 0.0
            difference = plus - minus
            normalised = (ups - downs) / (ups + downs) if ups + downs > 0.0 else 0.0
        out[0, i - first] = difference
        out[1, i - first] = plus
        out[2, i - first] = minus
        out[3, i - first] = normalised
