"""Chandelier exit (Le Beau): stops that hang a few average true ranges from the extremes."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed, true_range, window_highs, window_lows

RANGE, LONG_STOP, SHORT_STOP, SIDE, QUIET, SIZE = range(6)

# After this many periods without a close beyond one stop the side is forgotten; without it the
# side would depend on how far back the fold began.
REMEMBERED = 10


@dataclass(frozen=True)
class ChandelierParams(IndicatorParams):
    """Bars of extremes and of the average true range, and ranges between extreme and stop."""

    period: int = ranged(22, 2, 200)
    multiplier: float = ranged(3.0, 0.1, 20.0)


DEFAULT = ChandelierParams()


@INDICATORS.register("chandelier")
def chandelier(params: ChandelierParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the stop of a long position, in price units.

    Normalised is d / (|d| + multiplier * ATR) with d = close - stop of the side that holds.
    """
    return Indicator(
        name="chandelier",
        family="volatility",
        inputs=("high", "low", "close"),
        outputs=("long_stop", "short_stop", "side"),
        params=params,
        first_value=params.period,
        warmup=(65 + REMEMBERED) * params.period,
        kernel=chandelier_kernel,
        numbers=(float(params.period), params.multiplier),
        lookback=params.period,
        size=SIZE,
    )


def chandelier_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the average true range, both stops and the side."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period, multiplier = numbers[0], numbers[1]
    window, share, remembered = int(period), 1.0 / period, REMEMBERED * period
    average, long_stop, short_stop = state[RANGE], state[LONG_STOP], state[SHORT_STOP]
    side, quiet = state[SIDE], state[QUIET]
    whole = min(max(first, start + window), last)
    window_highs(highs, whole, last, window, out[0, whole - first :])
    window_lows(lows, whole, last, window, out[1, whole - first :])
    for i in range(first, last):
        ranges = i - start
        raw = other = held_side = normalised = nan
        if ranges > 0:
            close = closes[i]
            reached = true_range(highs[i], lows[i], closes[i - 1])
            average = averaged(average, reached, ranges, period, share, 1e-13 * abs(close))
            if ranges >= period:
                is_above = ranges > period and close > short_stop
                is_below = ranges > period and close < long_stop
                quiet += 1.0
                if is_above != is_below:
                    side = 1.0 if is_above else -1.0
                    quiet = 0.0
                elif quiet >= remembered:
                    side = 0.0
                long_stop = out[0, i - first] - multiplier * average
                short_stop = out[1, i - first] + multiplier * average
                raw = long_stop
                other = short_stop
                held_side = side
                normalised = 0.0
                if side != 0.0:
                    stop = long_stop if side > 0.0 else short_stop
                    normalised = squashed(close - stop, multiplier * average)
        out[0, i - first] = raw
        out[1, i - first] = other
        out[2, i - first] = held_side
        out[3, i - first] = normalised
    state[RANGE], state[LONG_STOP], state[SHORT_STOP] = average, long_stop, short_stop
    state[SIDE], state[QUIET] = side, quiet
