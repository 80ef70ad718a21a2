"""Chaikin money flow (Chaikin): volume weighted by where each bar closed within its range."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged


@dataclass(frozen=True)
class CmfParams(IndicatorParams):
    """Bars of the window."""

    period: int = ranged(20, 2, 400)


DEFAULT = CmfParams()


@INDICATORS.register("cmf")
def cmf(params: CmfParams = DEFAULT) -> Indicator:
    """Return the fold: raw -1 when every bar closed on its low, +1 on its high.

    Normalised is the same; 0 without volume.
    """
    return Indicator(
        name="cmf",
        family="volume",
        inputs=("high", "low", "close", "volume"),
        outputs=("cmf",),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=cmf_kernel,
        numbers=(float(params.period),),
        lookback=params.period,
    )


def cmf_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, oldest first."""
    highs, lows, closes, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    period = int(numbers[0])
    for i in range(first, last):
        raw = nan
        begin = i + 1 - period
        if begin >= start:
            flow = total = 0.0
            for k in range(begin, i + 1):
                span = highs[k] - lows[k]
                place = (
                    ((closes[k] - lows[k]) - (highs[k] - closes[k])) / span if span > 0.0 else 0.0
                )
                flow += place * volume[k]
                total += volume[k]
            raw = flow / total if total != 0.0 else 0.0
        out[0, i - first] = raw
        out[1, i - first] = raw
