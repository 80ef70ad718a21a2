"""Ultimate oscillator (Williams 1985): the buyers' part of the range over three windows."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import ROOM, blank, keep, lesser, true_ranges, window_sums


@dataclass(frozen=True)
class UltimateOscillatorParams(IndicatorParams):
    """Bars of the three windows, which weigh 4, 2 and 1."""

    short: int = ranged(7, 1, 200)
    medium: int = ranged(14, 2, 300)
    long: int = ranged(28, 3, 400)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_unless_rising("short", "medium", "long")


DEFAULT = UltimateOscillatorParams()


@INDICATORS.register("ultimate_oscillator")
def ultimate_oscillator(params: UltimateOscillatorParams = DEFAULT) -> Indicator:
    """Return the fold: raw 0…100, 50 when nothing moves; normalised raw / 50 - 1."""
    return Indicator(
        name="ultimate_oscillator",
        family="momentum",
        inputs=("high", "low", "close"),
        outputs=("oscillator",),
        params=params,
        first_value=params.long,
        warmup=params.long,
        kernel=ultimate_oscillator_kernel,
        numbers=(float(params.short), float(params.medium), float(params.long)),
        lookback=2,
        size=2 * (params.long - 1) + 4 * ROOM,
    )


def part(bought: float, ranges: float) -> float:
    """Return the buyers' part of the ranges, one half where there are none."""
    return bought / ranges if ranges > 0.0 else 0.5


def ultimate_oscillator_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last pressures and ranges, and sum them afresh, the newest window first."""
    lows, closes = bars[LOW], bars[CLOSE]
    short, medium, long = int(numbers[0]), int(numbers[1]), int(numbers[2])
    kept = long - 1
    pressures, ranges = state[: kept + ROOM], state[kept + ROOM : 2 * (kept + ROOM)]
    bought, moved = state[2 * (kept + ROOM) : 2 * (kept + ROOM) + ROOM], state[-ROOM:]
    for tile in range(max(first, start + 1), last, ROOM):
        size, column = min(ROOM, last - tile), tile - first
        low = lows[tile : tile + size]
        close, before = closes[tile : tile + size], closes[tile - 1 : tile - 1 + size]
        for place in range(size):
            pressures[kept + place] = close[place] - lesser(low[place], before[place])
        true_ranges(bars, tile, tile + size, ranges[kept:])
        raw, normalised = out[0, column:], out[1, column:]
        window_sums(pressures, kept, kept + size, short, bought)
        window_sums(ranges, kept, kept + size, short, moved)
        for place in range(size):
            raw[place] = 4.0 * part(bought[place], moved[place])
        for weight, newer, older in ((2.0, short, medium), (1.0, medium, long)):
            begin, end = kept - newer, kept - newer + size
            window_sums(pressures, begin, end, older - newer, normalised)
            for place in range(size):
                bought[place] += normalised[place]
            window_sums(ranges, begin, end, older - newer, normalised)
            for place in range(size):
                moved[place] += normalised[place]
                raw[place] += weight * part(bought[place], moved[place])
        for place in range(size):
            raw[place] = 100.0 * (raw[place] / 7.0)
            normalised[place] = raw[place] / 50.0 - 1.0
        keep(pressures, size)
        keep(ranges, size)
    blank(out, min(max(start + long - first, 0), last - first))
