"""Parabolic stop and reverse (Wilder 1978): a trailing stop that speeds up with each extreme."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged

SIDE, NEXT, EXTREME, SPEED, STILL, SIZE = range(6)

# After this many bars with the same high and low nothing is left of the trend: the stop would
# only swap sides on every bar, in a rhythm set by the first bar.
MOTIONLESS = 20.0


@dataclass(frozen=True)
class ParabolicSarParams(IndicatorParams):
    """Acceleration added per new extreme, and its limit."""

    acceleration: float = ranged(0.02, 0.001, 0.2)
    maximum: float = ranged(0.2, 0.01, 1.0)


DEFAULT = ParabolicSarParams()


@INDICATORS.register("parabolic_sar")
def parabolic_sar(params: ParabolicSarParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the stop in price units.

    Normalised is the part of the way from stop to extreme that the close holds, positive when
    the stop lies below; 0 when they coincide or nothing has moved for 20 bars.
    """
    return Indicator(
        name="parabolic_sar",
        family="trend",
        inputs=("high", "low", "close"),
        outputs=("sar",),
        params=params,
        first_value=1,
        warmup=400,
        kernel=parabolic_sar_kernel,
        numbers=(min(params.acceleration, params.maximum), params.maximum),
        lookback=2,
        size=SIZE,
    )


def parabolic_sar_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the stop by Wilder's rules."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    acceleration, maximum = numbers[0], numbers[1]
    side, following, extreme = state[SIDE], state[NEXT], state[EXTREME]
    speed, still = state[SPEED], state[STILL]
    for i in range(first, last):
        if i == start:
            out[0, i - first] = nan
            out[1, i - first] = nan
            continue
        high, low, close = highs[i], lows[i], closes[i]
        before_high, before_low = highs[i - 1], lows[i - 1]
        same = high == before_high and low == before_low
        still = min(still + 1.0, MOTIONLESS) if same else 0.0
        if still >= MOTIONLESS:
            side = 0.0
            out[0, i - first] = close
            out[1, i - first] = 0.0
            continue

        if side == 0.0:  # the first side: falling only if the low fell by more
            fell = before_low - low
            falling = fell > 0.0 and fell > high - before_high
            side = -1.0 if falling else 1.0
            following = before_high if falling else before_low
            extreme = low if falling else high
            speed = acceleration
            before_high = high
            before_low = low

        stop = following
        if (side > 0.0 and low <= stop) or (side < 0.0 and high >= stop):
            # touched: the stop jumps to the old extreme, never inside the last two bars
            side = -side
            stop = extreme
            if side < 0.0:
                stop = max(stop, before_high, high)
                extreme = low
            else:
                stop = min(stop, before_low, low)
                extreme = high
            speed = acceleration
        elif side > 0.0 and high > extreme:
            extreme = high
            speed = min(speed + acceleration, maximum)
        elif side < 0.0 and low < extreme:
            extreme = low
            speed = min(speed + acceleration, maximum)

        following = speed * extreme + (1.0 - speed) * stop
        if side > 0.0:
            following = min(following, before_low, low)
        else:
            following = max(following, before_high, high)
        way = abs(extreme - stop)
        out[0, i - first] = stop
        out[1, i - first] = side * abs(close - stop) / way if way > 0.0 else 0.0
    state[SIDE], state[NEXT], state[EXTREME] = side, following, extreme
    state[SPEED], state[STILL] = speed, still
