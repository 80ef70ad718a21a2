"""Moving average convergence divergence (Appel 1979): how the gap of two averages turns."""

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

HISTOGRAM, MACD, SIGNAL, BARS, FAST, SLOW, LINE, MOVE, CLOSE, SIZE = range(10)


class MacdPeriodsError(PlumblineError):
    """The fast average is not faster than the slow one."""

    code = "parameter_out_of_range"


@dataclass(frozen=True)
class MacdParams(IndicatorParams):
    """Bars of the fast, the slow and the signal average."""

    fast: int = ranged(12, 2, 200)
    slow: int = ranged(26, 3, 400)
    signal: int = ranged(9, 2, 200)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fast >= self.slow:
            raise MacdPeriodsError(f"fast is {self.fast}, must be below slow, {self.slow}")


DEFAULT = MacdParams()


@INDICATORS.register("macd")
def macd(params: MacdParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the histogram in price units.

    Normalised is histogram / (|histogram| + average move of one bar), 0 when nothing moves.
    """
    fast_period, slow_period, signal_period = params.fast, params.slow, params.signal
    fast_share = 2.0 / (fast_period + 1.0)
    slow_share = 2.0 / (slow_period + 1.0)
    signal_share = 2.0 / (signal_period + 1.0)
    fast_keep, slow_keep, signal_keep = 1.0 - fast_share, 1.0 - slow_share, 1.0 - signal_share

    def step(
        state: State, _open: float, _high: float, _low: float, close: float, _volume: float
    ) -> tuple[float, float]:
        bars = state[BARS] + 1.0
        state[BARS] = bars
        move = abs(close - state[CLOSE])
        state[CLOSE] = close
        state[HISTOGRAM] = state[MACD] = state[SIGNAL] = nan
        # Rounding stalls an average a few bits beside a constant input: land on it, so that
        # every start ends on the same bits. 1e-13 of the price is far below any tick.
        tiny = 1e-13 * abs(close)

        if bars > slow_period + 1.0:
            average = slow_share * move + slow_keep * state[MOVE]
            state[MOVE] = move if abs(move - average) <= tiny else average
        elif bars > 1.0:
            state[MOVE] += move
            if bars == slow_period + 1.0:
                state[MOVE] /= slow_period

        if bars <= slow_period:  # both averages begin with a plain mean ending on this bar
            state[SLOW] += close
            if bars > slow_period - fast_period:
                state[FAST] += close
            if bars < slow_period:
                return nan, nan
            fast = state[FAST] / fast_period
            slow = state[SLOW] / slow_period
        else:
            fast = fast_share * close + fast_keep * state[FAST]
            slow = slow_share * close + slow_keep * state[SLOW]
        state[FAST] = fast = close if abs(close - fast) <= tiny else fast
        state[SLOW] = slow = close if abs(close - slow) <= tiny else slow

        gap = fast - slow
        gaps = bars - slow_period + 1.0
        if gaps <= signal_period:
            state[LINE] += gap
            if gaps < signal_period:
                return nan, nan
            line = state[LINE] / signal_period
        else:
            line = signal_share * gap + signal_keep * state[LINE]
        state[LINE] = line = gap if abs(gap - line) <= tiny else line

        histogram = gap - line
        state[HISTOGRAM] = histogram
        state[MACD] = gap
        state[SIGNAL] = line
        span = abs(histogram) + state[MOVE]
        return histogram, histogram / span if span > 0.0 else 0.0

    return Indicator(
        name="macd",
        inputs=("close",),
        outputs=("histogram", "macd", "signal"),
        params=params,
        first_value=slow_period + signal_period - 2,
        warmup=30 * (slow_period + signal_period),
        size=SIZE,
        step=step,
    )
