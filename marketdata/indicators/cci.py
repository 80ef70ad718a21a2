"""Commodity channel index (Lambert 1980): the typical price's distance from its mean."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import push, squashed, window_mean

LAMBERT = 0.015  # puts most values between -100 and 100


@dataclass(frozen=True)
class CciParams(IndicatorParams):
    """Bars averaged."""

    period: int = ranged(20, 2, 400)


DEFAULT = CciParams()


@INDICATORS.register("cci")
def cci(params: CciParams = DEFAULT) -> Indicator:
    """Return the fold: raw is unbounded, mostly -100…100; normalised raw / (|raw| + 100)."""
    return Indicator(
        name="cci",
        family="momentum",
        inputs=("high", "low", "close"),
        outputs=("cci",),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=cci_kernel,
        numbers=(float(params.period),),
        size=params.period,
    )


def cci_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last typical prices, and average them afresh at every bar."""
    high, low, close, period = bars[HIGH], bars[LOW], bars[CLOSE], int(numbers[0])
    for i in range(first, last):
        raw = normalised = nan
        typical = (high[i] + low[i] + close[i]) / 3.0
        push(state, 0, period, typical)
        if i - start >= period - 1:
            mean = window_mean(state, 0, period)
            deviation = 0.0
            for place in range(period):
                deviation += abs(state[place] - mean)
            deviation /= period
            raw = (typical - mean) / (LAMBERT * deviation) if deviation > 0.0 else 0.0
            normalised = squashed(raw, 100.0)
        out[0, i - first] = raw
        out[1, i - first] = normalised
