"""Chaikin money flow (Chaikin): volume weighted by where each bar closed within its range."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE, HIGH, LOW, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import ROOM, blank, keep, window_sums


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
        size=params.period - 1 + ROOM,
    )


def cmf_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, oldest first; the state holds its flows."""
    highs, lows, closes, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    period = int(numbers[0])
    kept = period - 1
    for begin in range(first, last, ROOM):
        size = min(ROOM, last - begin)
        for i in range(begin, begin + size):
            span = highs[i] - lows[i]
            inside = (closes[i] - lows[i]) - (highs[i] - closes[i])
            state[kept + i - begin] = (inside / span if span > 0.0 else 0.0) * volume[i]
        window_sums(state, kept, kept + size, period, out[0, begin - first :])
        keep(state, size)
    whole = min(max(first, start + period - 1), last)
    blank(out, whole - first)
    raw, normalised = out[0, whole - first :], out[1, whole - first :]
    window_sums(volume, whole, last, period, normalised)
    for place in range(last - whole):
        total = normalised[place]
        raw[place] = raw[place] / total if total != 0.0 else 0.0
        normalised[place] = raw[place]
