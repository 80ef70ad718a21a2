"""Market regime by rules: trending, ranging or volatile, and high or low volatility."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import (
    ROOM,
    blank,
    keep,
    true_ranges,
    window_sums,
    window_travels,
)

RANGING, TRENDING, VOLATILE = 0.0, 1.0, 2.0
TREND_LEFT, EXTREME_LEFT, HIGH_LEFT, SIZE = range(4)


@dataclass(frozen=True)
class RegimeParams(IndicatorParams):
    """Bars measured, bars a state is remembered, and where each state begins and ends.

    Begin and end differ, so that a market beside a border does not flicker.
    """

    trend_period: int = ranged(20, 5, 500)
    trend_enter: float = ranged(0.4, 0.0, 1.0)
    trend_leave: float = ranged(0.2, 0.0, 1.0)
    short: int = ranged(5, 2, 200)
    long: int = ranged(50, 5, 500)
    volatile_enter: float = ranged(1.5, 0.1, 10.0)
    volatile_leave: float = ranged(1.1, 0.1, 10.0)
    high_enter: float = ranged(1.1, 0.1, 10.0)
    high_leave: float = ranged(0.9, 0.1, 10.0)
    memory: int = ranged(50, 2, 500)

    def __post_init__(self) -> None:
        """Refuse states that begin where they end, and windows that are not short and long."""
        super().__post_init__()
        self.refuse_unless_rising("trend_leave", "trend_enter")
        self.refuse_unless_rising("volatile_leave", "volatile_enter")
        self.refuse_unless_rising("high_leave", "high_enter")
        self.refuse_unless_rising("short", "long")


DEFAULT = RegimeParams()


@INDICATORS.register("regime")
def regime(params: RegimeParams = DEFAULT) -> Indicator:
    """Return the fold: raw is 0 ranging, 1 trending, 2 volatile; a feature without direction."""
    longest = max(params.trend_period, params.long)
    return Indicator(
        name="regime",
        family="regime",
        inputs=("high", "low", "close"),
        outputs=("regime", "volatility", "trend_strength", "volatility_ratio"),
        params=params,
        first_value=longest,
        warmup=longest + params.memory - 1,
        kernel=regime_kernel,
        numbers=(
            float(params.trend_period),
            params.trend_enter,
            params.trend_leave,
            float(params.short),
            float(params.long),
            params.volatile_enter,
            params.volatile_leave,
            params.high_enter,
            params.high_leave,
            float(params.memory),
        ),
        lookback=longest + 1,
        size=SIZE + params.long - 1 + ROOM,
        is_directed=False,
    )


def bars_left(left: float, value: float, enter: float, leave: float, memory: float) -> float:
    """Return for how many bars more a state is remembered, 0 when it does not hold.

    A value above `enter` begins or confirms it, one below `leave` ends it.
    """
    if value > enter:
        return memory
    return 0.0 if value < leave else max(left - 1.0, 0.0)


def regime_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Measure both windows afresh, then step the three states, which precede the true ranges."""
    closes, ranges = bars[CLOSE], state[SIZE:]
    period, short, long = int(numbers[0]), int(numbers[3]), int(numbers[4])
    longest, memory, kept = max(period, long), numbers[9], long - 1
    for begin in range(first, last, ROOM):
        size, known = min(ROOM, last - begin), max(begin, start + 1)
        true_ranges(bars, known, begin + size, ranges[kept + known - begin :])
        window_sums(ranges, kept, kept + size, short, out[1, begin - first :])
        window_sums(ranges, kept, kept + size, long, out[3, begin - first :])
        keep(ranges, size)
    whole = min(max(first, start + longest), last)
    blank(out, whole - first)
    window_travels(closes, whole, last, period, out[2, whole - first :])
    trending, extreme, high = state[TREND_LEFT], state[EXTREME_LEFT], state[HIGH_LEFT]
    for i in range(whole, last):
        way, now, usual = out[2, i - first], out[1, i - first] / short, out[3, i - first] / long
        net = abs(closes[i] - closes[i - period])
        strength = min(net / way, 1.0) if way > 0.0 else 0.0
        ratio = now / usual if usual > 0.0 else 1.0
        trending = bars_left(trending, strength, numbers[1], numbers[2], memory)
        extreme = bars_left(extreme, ratio, numbers[5], numbers[6], memory)
        high = bars_left(high, ratio, numbers[7], numbers[8], memory)
        out[0, i - first] = VOLATILE if extreme > 0.0 else TRENDING if trending > 0.0 else RANGING
        out[1, i - first] = 1.0 if high > 0.0 else 0.0
        out[2, i - first] = strength
        out[3, i - first] = ratio
        out[4, i - first] = nan
    state[TREND_LEFT], state[EXTREME_LEFT], state[HIGH_LEFT] = trending, extreme, high
