"""SuperTrend (Seban): a stop a few average true ranges away that moves only with the trend."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed

RANGE, UPPER, LOWER, SIDE, STILL, SIZE = range(6)


@dataclass(frozen=True)
class SupertrendParams(IndicatorParams):
    """Bars of the average true range, and how many of them lie between midpoint and band."""

    period: int = ranged(10, 2, 200)
    multiplier: float = ranged(3.0, 0.1, 20.0)


DEFAULT = SupertrendParams()


@INDICATORS.register("supertrend")
def supertrend(params: SupertrendParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the line in price units, below the close in a rising trend.

    Normalised is d / (|d| + multiplier * ATR) with d = close - line; 0 when nothing moves.
    """
    return Indicator(
        name="supertrend",
        family="trend",
        inputs=("high", "low", "close"),
        outputs=("line", "atr"),
        params=params,
        first_value=params.period,
        warmup=65 * params.period,
        kernel=supertrend_kernel,
        numbers=(float(params.period), params.multiplier),
        lookback=2,
        size=SIZE,
    )


def supertrend_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the average true range and both bands."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period, multiplier = numbers[0], numbers[1]
    share = 1.0 / period
    # After this many identical bars the trend is forgotten; without it the side that a market
    # stood still on would depend for ever on the first bar.
    motionless = 10.0 * period
    average, upper_before, lower_before = state[RANGE], state[UPPER], state[LOWER]
    side, still = state[SIDE], state[STILL]
    for i in range(first, last):
        ranges = i - start
        line = atr = normalised = nan
        if ranges > 0:
            high, low, close, before = highs[i], lows[i], closes[i], closes[i - 1]
            same = high == highs[i - 1] and low == lows[i - 1] and close == before
            still = min(still + 1.0, motionless) if same else 0.0
            true_range = max(high, before) - min(low, before)
            average = averaged(average, true_range, ranges, period, share, 1e-13 * abs(close))
            if ranges >= period:
                middle = 0.5 * high + 0.5 * low
                upper = middle + multiplier * average
                lower = middle - multiplier * average
                if ranges == period or still >= motionless:
                    side = 1.0 if close >= middle else -1.0
                else:
                    # a band moves only towards the price, until a close goes beyond it
                    if before <= upper_before:
                        upper = min(upper, upper_before)
                    if before >= lower_before:
                        lower = max(lower, lower_before)
                    if side < 0.0 and close > upper:
                        side = 1.0
                    elif side > 0.0 and close < lower:
                        side = -1.0
                upper_before, lower_before = upper, lower
                line = lower if side > 0.0 else upper
                atr = average
                normalised = squashed(close - line, multiplier * average)
        out[0, i - first] = line
        out[1, i - first] = atr
        out[2, i - first] = normalised
    state[RANGE], state[UPPER], state[LOWER] = average, upper_before, lower_before
    state[SIDE], state[STILL] = side, still
