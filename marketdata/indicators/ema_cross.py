"""Crossing of two exponential averages: the fast one above the slow one is a rising market."""

from dataclasses import dataclass
from math import nan

from domain.errors import PlumblineError
from marketdata.indicators.registry import (
    INDICATORS,
    Indicator,
    IndicatorParams,
    State,
    ranged,
)

SPREAD, FAST_EMA, SLOW_EMA, BARS, FAST, SLOW, MOVE, CLOSE, SIZE = range(9)


class EmaPeriodsError(PlumblineError):
    """The fast average is not faster than the slow one."""

    code = "parameter_out_of_range"


@dataclass(frozen=True)
class EmaCrossParams(IndicatorParams):
    """Bars of both averages, and the spread, in average moves of one bar, that scores one half."""

    fast: int = ranged(9, 2, 200)
    slow: int = ranged(21, 3, 400)
    half_at: float = ranged(2.0, 0.1, 100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fast >= self.slow:
            raise EmaPeriodsError(f"fast is {self.fast}, must be below slow, {self.slow}")


DEFAULT = EmaCrossParams()


@INDICATORS.register("ema_cross")
def ema_cross(params: EmaCrossParams = DEFAULT) -> Indicator:
    """Return the fold: raw is fast average minus slow average in price units.

    Normalised is spread / (|spread| + half_at * average move), 0 when nothing moves.
    """
    fast_period, slow_period, half_at = params.fast, params.slow, params.half_at
    fast_share = 2.0 / (fast_period + 1.0)
    slow_share = 2.0 / (slow_period + 1.0)
    fast_keep, slow_keep = 1.0 - fast_share, 1.0 - slow_share

    def step(
        state: State, _open: float, _high: float, _low: float, close: float, _volume: float
    ) -> tuple[float, float]:
        bars = state[BARS] + 1.0
        state[BARS] = bars
        move = abs(close - state[CLOSE])
        state[CLOSE] = close
        state[SPREAD] = state[FAST_EMA] = state[SLOW_EMA] = nan
        # Rounding stalls an average a few bits beside a constant input: land on it, so that
        # every start ends on the same bits. 1e-13 of the price is far below any tick.
        tiny = 1e-13 * abs(close)

        # each average begins with the plain mean of its first inputs
        if bars > slow_period + 1.0:
            average = slow_share * move + slow_keep * state[MOVE]
            state[MOVE] = move if abs(move - average) <= tiny else average
        elif bars > 1.0:
            state[MOVE] += move
            if bars == slow_period + 1.0:
                state[MOVE] /= slow_period
        if bars > fast_period:
            fast = fast_share * close + fast_keep * state[FAST]
            state[FAST] = close if abs(close - fast) <= tiny else fast
        else:
            state[FAST] += close
            if bars == fast_period:
                state[FAST] /= fast_period
        if bars > slow_period:
            slow = slow_share * close + slow_keep * state[SLOW]
            state[SLOW] = close if abs(close - slow) <= tiny else slow
        else:
            state[SLOW] += close
            if bars == slow_period:
                state[SLOW] /= slow_period
        if bars <= slow_period:  # the average move needs one bar more than the slow average
            return nan, nan

        spread = state[FAST] - state[SLOW]
        state[SPREAD] = spread
        state[FAST_EMA] = state[FAST]
        state[SLOW_EMA] = state[SLOW]
        span = abs(spread) + half_at * state[MOVE]
        return spread, spread / span if span > 0.0 else 0.0

    return Indicator(
        name="ema_cross",
        inputs=("close",),
        outputs=("spread", "fast", "slow"),
        params=params,
        first_value=slow_period,
        warmup=34 * slow_period,
        size=SIZE,
        step=step,
    )
