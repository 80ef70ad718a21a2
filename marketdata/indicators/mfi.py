"""Money flow index (Quong and Soudack 1989): the share of rising bars in all money moved."""

from dataclasses import dataclass
from math import isnan, nan

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE, HIGH, LOW, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import ROOM, blank, keep, window_sum, window_sums

# Flows between these lost nothing to underflow and none overflowed.
SMALLEST, LARGEST = 1e-250, 1e300
ROUNDING = 1e-13  # a smaller change of price is a rounding of equal sums


@dataclass(frozen=True)
class MfiParams(IndicatorParams):
    """Changes of the window."""

    period: int = ranged(14, 2, 400)


DEFAULT = MfiParams()


@INDICATORS.register("mfi")
def mfi(params: MfiParams = DEFAULT) -> Indicator:
    """Return the fold: raw 0…100, 50 when nothing flows; normalised raw / 50 - 1."""
    return Indicator(
        name="mfi",
        family="volume",
        inputs=("high", "low", "close", "volume"),
        outputs=("mfi",),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=mfi_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
        size=2 * (params.period - 1 + ROOM),
    )


def mfi_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, oldest first; the state holds its flows."""
    highs, lows, closes, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    period = int(numbers[0])
    kept = period - 1
    signed, whole = state[: kept + ROOM], state[kept + ROOM :]
    for begin in range(first, last, ROOM):
        size = min(ROOM, last - begin)
        for i in range(max(begin, start + 1), begin + size):
            price = highs[i] + lows[i] + closes[i]  # three times the typical one
            change = price - (highs[i - 1] + lows[i - 1] + closes[i - 1])
            flow = abs(price) * volume[i]
            sign = 1.0 if change > 0.0 else -1.0
            if abs(change) <= ROUNDING * abs(price):
                sign = 0.0
            signed[kept + i - begin] = sign * flow
            whole[kept + i - begin] = abs(sign) * flow
        moved = out[0, begin - first : begin - first + size]
        normalised = out[1, begin - first : begin - first + size]
        window_sums(whole, kept, kept + size, period, moved)
        window_sums(signed, kept, kept + size, period, normalised)
        for place in range(size):
            normalised[place] /= moved[place]
        for place in range(max(start + period - begin, 0), size):
            if not SMALLEST < moved[place] < LARGEST:
                normalised[place] = shared_flow(bars, begin + place + 1 - period, begin + place + 1)
        for place in range(size):
            moved[place] = 50.0 + 50.0 * normalised[place]
        keep(signed, size)
        keep(whole, size)
    blank(out, min(max(start + period - first, 0), last - first))


def shared_flow(bars: FloatArray, begin: int, end: int) -> float:
    """Return net flow over all flow with volumes as shares: for numbers too large to multiply."""
    highs, lows, closes, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    total = window_sum(volume, begin, end)
    net = moved = 0.0
    if total > 0.0:
        for k in range(begin, end):
            price = highs[k] + lows[k] + closes[k]
            flow = abs(price) * (volume[k] / total)
            change = price - (highs[k - 1] + lows[k - 1] + closes[k - 1])
            if abs(change) > ROUNDING * abs(price):
                net += flow if change > 0.0 else -flow
                moved += flow
    if isnan(total):
        return nan
    return float(net / moved) if moved > 0.0 else 0.0
