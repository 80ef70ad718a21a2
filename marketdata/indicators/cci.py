"""Commodity channel index (Lambert 1980): the typical price's distance from its mean."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import (
    ROOM,
    blank,
    keep,
    squashed,
    window_deviations,
    window_means,
)

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
        size=params.period - 1 + ROOM,
    )


def cci_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last typical prices, and average them afresh at every bar."""
    highs, lows, closes, period = bars[HIGH], bars[LOW], bars[CLOSE], int(numbers[0])
    kept = period - 1
    typical = state[kept:]
    for tile in range(first, last, ROOM):
        size = min(ROOM, last - tile)
        high, low = highs[tile : tile + size], lows[tile : tile + size]
        close = closes[tile : tile + size]
        for place in range(size):
            typical[place] = (high[place] + low[place] + close[place]) / 3.0
        raw, normalised = out[0, tile - first :], out[1, tile - first :]
        window_means(state, kept, kept + size, period, raw)
        window_deviations(state, kept, kept + size, period, raw, normalised)
        for place in range(size):
            deviation = normalised[place] / period
            away = (typical[place] - raw[place]) / (LAMBERT * deviation)
            raw[place] = away if deviation > 0.0 else 0.0
            normalised[place] = squashed(raw[place], 100.0)
        keep(state, size)
    blank(out, min(max(start + kept - first, 0), last - first))
