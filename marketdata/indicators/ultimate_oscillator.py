"""Ultimate oscillator (Williams 1985): the buyers' part of the range over three windows."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import push, window_sum


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
        size=2 * params.long,
    )


def part(bought: float, ranges: float) -> float:
    """Return the buyers' part of the ranges, one half where there are none."""
    return bought / ranges if ranges > 0.0 else 0.5


def ultimate_oscillator_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last pressures and ranges, and sum them afresh, the newest first."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    short, medium, long = int(numbers[0]), int(numbers[1]), int(numbers[2])
    for i in range(first, last):
        raw = normalised = nan
        if i > start:
            floor = min(lows[i], closes[i - 1])
            push(state, 0, long, closes[i] - floor)
            push(state, long, 2 * long, max(highs[i], closes[i - 1]) - floor)
        if i - start >= long:
            bought = window_sum(state, long - short, long)
            ranges = window_sum(state, 2 * long - short, 2 * long)
            total = 4.0 * part(bought, ranges)
            bought += window_sum(state, long - medium, long - short)
            ranges += window_sum(state, 2 * long - medium, 2 * long - short)
            total += 2.0 * part(bought, ranges)
            bought += window_sum(state, 0, long - medium)
            ranges += window_sum(state, long, 2 * long - medium)
            total += part(bought, ranges)
            raw = 100.0 * (total / 7.0)
            normalised = raw / 50.0 - 1.0
        out[0, i - first] = raw
        out[1, i - first] = normalised
