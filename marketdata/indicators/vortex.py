"""Vortex (Botes and Siepman 2010): the way from low to next high against that from high to low."""

from dataclasses import dataclass

from marketdata.indicators.columns import HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import ROOM, blank, keep, true_ranges, window_sums


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
        size=3 * (params.period - 1 + ROOM),
    )


def vortex_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last ways and ranges, and sum them afresh at every bar."""
    highs, lows = bars[HIGH], bars[LOW]
    period = int(numbers[0])
    kept = period - 1
    rising, falling = state[: kept + ROOM], state[kept + ROOM : 2 * (kept + ROOM)]
    ranges = state[2 * (kept + ROOM) :]
    for tile in range(max(first, start + 1), last, ROOM):
        size, column = min(ROOM, last - tile), tile - first
        high, low = highs[tile : tile + size], lows[tile : tile + size]
        high_before, low_before = (
            highs[tile - 1 : tile - 1 + size],
            lows[tile - 1 : tile - 1 + size],
        )
        for place in range(size):
            rising[kept + place] = abs(high[place] - low_before[place])
            falling[kept + place] = abs(low[place] - high_before[place])
        true_ranges(bars, tile, tile + size, ranges[kept:])
        difference, plus = out[0, column:], out[1, column:]
        minus, normalised = out[2, column:], out[3, column:]
        window_sums(rising, kept, kept + size, period, plus)
        window_sums(falling, kept, kept + size, period, minus)
        window_sums(ranges, kept, kept + size, period, difference)
        for place in range(size):
            up, down, way = plus[place], minus[place], difference[place]
            plus[place] = up / way if way > 0.0 else 0.0
            minus[place] = down / way if way > 0.0 else 0.0
            difference[place] = plus[place] - minus[place]
            normalised[place] = (up - down) / (up + down) if up + down > 0.0 else 0.0
        keep(rising, size)
        keep(falling, size)
        keep(ranges, size)
    blank(out, min(max(start + period - first, 0), last - first))
