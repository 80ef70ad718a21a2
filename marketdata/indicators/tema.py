"""Triple exponential moving average (Mulloy 1994): lag taken out twice."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed

ONCE, TWICE, THRICE, MOVE, BEFORE, SIZE = range(6)


@dataclass(frozen=True)
class TemaParams(IndicatorParams):
    """Bars of each exponential average."""

    period: int = ranged(20, 2, 400)


DEFAULT = TemaParams()


@INDICATORS.register("tema")
def tema(params: TemaParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units.

    Normalised is s / (|s| + average move of one bar), s the average's step since the bar before.
    """
    return Indicator(
        name="tema",
        family="trend",
        inputs=("close",),
        outputs=("average",),
        params=params,
        first_value=3 * params.period - 2,
        warmup=34 * params.period,
        kernel=tema_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=SIZE,
    )


def tema_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step three averages, each of the one before it, and the average move of one bar."""
    close, period = bars[CLOSE], numbers[0]
    share = 2.0 / (period + 1.0)
    once, twice, thrice = state[ONCE], state[TWICE], state[THRICE]
    move, before = state[MOVE], state[BEFORE]
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
        thirds = seconds - period + 1.0
        if thirds >= 1.0:
            thrice = averaged(thrice, twice, thirds, period, share, tiny)
        if thirds >= period:
            now = 3.0 * (once - twice) + thrice
            if thirds > period:  # the step needs one bar more than the average
                raw = now
                normalised = squashed(now - before, move)
            before = now
        out[0, i - first] = raw
        out[1, i - first] = normalised
    state[ONCE], state[TWICE], state[THRICE] = once, twice, thrice
    state[MOVE], state[BEFORE] = move, before
