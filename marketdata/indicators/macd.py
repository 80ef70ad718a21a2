"""Moving average convergence divergence (Appel 1979): how the gap of two averages turns."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed

FAST, SLOW, LINE, MOVE, SIZE = range(5)


@dataclass(frozen=True)
class MacdParams(IndicatorParams):
    """Bars of the fast, the slow and the signal average."""

    fast: int = ranged(12, 2, 200)
    slow: int = ranged(26, 3, 400)
    signal: int = ranged(9, 2, 200)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuse_unless_rising("fast", "slow")


DEFAULT = MacdParams()


@INDICATORS.register("macd")
def macd(params: MacdParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the histogram in price units.

    Normalised is histogram / (|histogram| + average move of one bar), 0 when nothing moves.
    """
    return Indicator(
        name="macd",
        family="trend",
        inputs=("close",),
        outputs=("histogram", "macd", "signal"),
        params=params,
        first_value=params.slow + params.signal - 2,
        warmup=30 * (params.slow + params.signal),
        kernel=macd_kernel,
        numbers=(float(params.fast), float(params.slow), float(params.signal)),
        lookback=2,
        size=SIZE,
    )


def macd_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step both averages, the average of their gap, and the average move of a bar."""
    close = bars[CLOSE]
    fast_period, slow_period, signal_period = numbers[0], numbers[1], numbers[2]
    fast_share = 2.0 / (fast_period + 1.0)
    slow_share = 2.0 / (slow_period + 1.0)
    signal_share = 2.0 / (signal_period + 1.0)
    fast, slow, line, move = state[FAST], state[SLOW], state[LINE], state[MOVE]
    late = slow_period - fast_period  # both averages begin with a plain mean ending on one bar
    for i in range(first, last):
        count = i - start + 1
        histogram = gap = signal = normalised = nan
        tiny = 1e-13 * abs(close[i])
        if count > 1:
            moved = abs(close[i] - close[i - 1])
            move = averaged(move, moved, count - 1, slow_period, slow_share, tiny)
        slow = averaged(slow, close[i], count, slow_period, slow_share, tiny)
        if count > late:
            fast = averaged(fast, close[i], count - late, fast_period, fast_share, tiny)
        gaps = count - slow_period + 1
        if gaps >= 1:
            line = averaged(line, fast - slow, gaps, signal_period, signal_share, tiny)
        if gaps >= signal_period:
            gap, signal = fast - slow, line
            histogram = gap - signal
            normalised = squashed(histogram, move)
        out[0, i - first] = histogram
        out[1, i - first] = gap
        out[2, i - first] = signal
        out[3, i - first] = normalised
    state[FAST], state[SLOW], state[LINE], state[MOVE] = fast, slow, line, move
