"""Double exponential moving average (Mulloy 1994): twice the average minus the average of it."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed

ONCE, TWICE, MOVE, BEFORE, SIZE = range(5)


@dataclass(frozen=True)
class DemaParams(IndicatorParams):
    """Bars of each exponential average."""

    period: int = ranged(20, 2, 400)


DEFAULT = DemaParams()


@INDICATORS.register("dema")
def dema(params: DemaParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units.

    Normalised is s / (|s| + average move of one bar), s the average's step since the bar before.
    """
    return Indicator(
        name="dema",
        family="trend",
        inputs=("close",),
        outputs=("average",),
        params=params,
        first_value=2 * params.period - 1,
        warmup=34 * params.period,
        kernel=dema_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=SIZE,
    )


def dema_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the average, the average of it, and the average move of one bar."""
    close, period = bars[CLOSE], numbers[0]
    share = 2.0 / (period + 1.0)
    once, twice, move, before = state[ONCE], state[TWICE], state[MOVE], state[BEFORE]
    for i in range(first, last):
        count = i - start + 1
        raw = normalised = nan
        tiny = 1e-13 * abs(close[i])
        if count > 1:
            moved = abs(close[i] - close[i - 1])
            move = averaged(move, moved, count - 1, period, share, tiny)
        once = averaged(once, close[i], count, period, share, tiny)
        seconds = count - period + 1.0
        if seconds >= 1.0:
            twice = averaged(twice, once, seconds, period, share, tiny)
        if seconds >= period:
            now = 2.0 * once - twice
            if seconds > period:  # the step needs one bar more than the average
                raw = now
                normalised = squashed(now - before, move)
            before = now
        out[0, i - first] = raw
        out[1, i - first] = normalised
    state[ONCE], state[TWICE], state[MOVE], state[BEFORE] = once, twice, move, before
