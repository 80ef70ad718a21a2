"""Parabolic stop and reverse (Wilder 1978): a trailing stop that speeds up with each extreme."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.registry import (
    INDICATORS,
    Indicator,
    IndicatorParams,
    State,
    ranged,
)

SAR, BARS, SIDE, NEXT, EXTREME, SPEED, HIGH, LOW, STILL, SIZE = range(10)

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
    acceleration = min(params.acceleration, params.maximum)
    maximum = params.maximum

    def step(
        state: State, _open: float, high: float, low: float, close: float, _volume: float
    ) -> tuple[float, float]:
        before_high = state[HIGH]
        before_low = state[LOW]
        state[HIGH] = high
        state[LOW] = low
        state[BARS] += 1.0
        if state[BARS] == 1.0:
            state[SAR] = nan
            return nan, nan
        same = high == before_high and low == before_low
        state[STILL] = min(state[STILL] + 1.0, MOTIONLESS) if same else 0.0
        if state[STILL] >= MOTIONLESS:
            state[SIDE] = 0.0
            state[SAR] = close
            return close, 0.0

        if state[SIDE] == 0.0:  # the first side: falling only if the low fell by more
            fell = before_low - low
            falling = fell > 0.0 and fell > high - before_high
            state[SIDE] = -1.0 if falling else 1.0
            state[NEXT] = before_high if falling else before_low
            state[EXTREME] = low if falling else high
            state[SPEED] = acceleration
            before_high = high
            before_low = low

        stop = state[NEXT]
        if (state[SIDE] > 0.0 and low <= stop) or (state[SIDE] < 0.0 and high >= stop):
            # touched: the stop jumps to the old extreme, never inside the last two bars
            state[SIDE] = -state[SIDE]
            stop = state[EXTREME]
            if state[SIDE] < 0.0:
                stop = max(stop, before_high, high)
                state[EXTREME] = low
            else:
                stop = min(stop, before_low, low)
                state[EXTREME] = high
            state[SPEED] = acceleration
        elif state[SIDE] > 0.0 and high > state[EXTREME]:
            state[EXTREME] = high
            state[SPEED] = min(state[SPEED] + acceleration, maximum)
        elif state[SIDE] < 0.0 and low < state[EXTREME]:
            state[EXTREME] = low
            state[SPEED] = min(state[SPEED] + acceleration, maximum)

        following = state[SPEED] * state[EXTREME] + (1.0 - state[SPEED]) * stop
        if state[SIDE] > 0.0:
            state[NEXT] = min(following, before_low, low)
        else:
            state[NEXT] = max(following, before_high, high)
        state[SAR] = stop
        way = abs(state[EXTREME] - stop)
        held = state[SIDE] * abs(close - stop) / way if way > 0.0 else 0.0
        return stop, held

    return Indicator(
        name="parabolic_sar",
        inputs=("high", "low", "close"),
        outputs=("sar",),
        params=params,
        first_value=1,
        warmup=400,
        size=SIZE,
        step=step,
    )
