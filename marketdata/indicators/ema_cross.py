"""Crossing of two exponential averages: the fast one above the slow one is a rising market."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed

FAST, SLOW, MOVE, SIZE = range(4)


@dataclass(frozen=True)
class EmaCrossParams(IndicatorParams):
    """Bars of both averages, and the spread, in average moves of one bar, that scores one half."""

    fast: int = ranged(9, 2, 200)
    slow: int = ranged(21, 3, 400)
    half_at: float = ranged(2.0, 0.1, 100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_unless_rising("fast", "slow")


DEFAULT = EmaCrossParams()


@INDICATORS.register("ema_cross")
def ema_cross(params: EmaCrossParams = DEFAULT) -> Indicator:
    """Return the fold: raw is fast average minus slow average in price units.

    Normalised is spread / (|spread| + half_at * average move), 0 when nothing moves.
    """
    return Indicator(
        name="ema_cross",
        family="trend",
        inputs=("close",),
        outputs=("spread", "fast", "slow"),
        params=params,
        first_value=params.slow,
        warmup=34 * params.slow,
        kernel=ema_cross_kernel,
        numbers=(float(params.fast), float(params.slow), params.half_at),
        lookback=2,
        size=SIZE,
    )


def ema_cross_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step both averages and the average move of one bar."""
    close = bars[CLOSE]
    fast_period, slow_period, half_at = numbers[0], numbers[1], numbers[2]
    fast_share = 2.0 / (fast_period + 1.0)
    slow_share = 2.0 / (slow_period + 1.0)
    fast, slow, move = state[FAST], state[SLOW], state[MOVE]
    for i in range(first, last):
        count = i - start + 1
        spread = fast_now = slow_now = normalised = nan
        tiny = 1e-13 * abs(close[i])
        if count > 1:
            moved = abs(close[i] - close[i - 1])
            move = averaged(move, moved, count - 1, slow_period, slow_share, tiny)
        fast = averaged(fast, close[i], count, fast_period, fast_share, tiny)
        slow = averaged(slow, close[i], count, slow_period, slow_share, tiny)
        if count > slow_period:  # the average move needs one bar more than the slow average
            fast_now, slow_now = fast, slow
            spread = fast - slow
            normalised = squashed(spread, half_at * move)
        out[0, i - first] = spread
        out[1, i - first] = fast_now
        out[2, i - first] = slow_now
        out[3, i - first] = normalised
    state[FAST], state[SLOW], state[MOVE] = fast, slow, move
