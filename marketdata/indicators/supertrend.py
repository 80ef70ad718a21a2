"""SuperTrend (Seban): a stop a few average true ranges away that moves only with the trend."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.registry import (
    INDICATORS,
    Indicator,
    IndicatorParams,
    State,
    ranged,
)

LINE, ATR, BARS, RANGE, UPPER, LOWER, SIDE, HIGH, LOW, CLOSE, STILL, SIZE = range(12)


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
    period, multiplier = params.period, params.multiplier
    share = 1.0 / period
    keep = 1.0 - share
    # After this many identical bars the trend is forgotten; without it the side that a market
    # stood still on would depend for ever on the first bar.
    motionless = 10.0 * period

    def step(
        state: State, _open: float, high: float, low: float, close: float, _volume: float
    ) -> tuple[float, float]:
        before = state[CLOSE]
        same = high == state[HIGH] and low == state[LOW] and close == before
        state[STILL] = min(state[STILL] + 1.0, motionless) if same else 0.0
        state[HIGH] = high
        state[LOW] = low
        state[CLOSE] = close
        ranges = state[BARS]
        state[BARS] = ranges + 1.0
        state[LINE] = state[ATR] = nan
        if ranges == 0.0:
            return nan, nan

        true_range = max(high, before) - min(low, before)
        if ranges <= period:  # Wilder's seed: the plain mean of the first ranges
            state[RANGE] += true_range
            if ranges < period:
                return nan, nan
            average = state[RANGE] / period
        else:
            average = share * true_range + keep * state[RANGE]
        # Rounding stalls an average a few bits beside a constant input: land on it, so that
        # every start ends on the same bits. 1e-13 of the price is far below any tick.
        tiny = 1e-13 * abs(close)
        average = true_range if abs(true_range - average) <= tiny else average
        state[RANGE] = state[ATR] = average

        middle = 0.5 * high + 0.5 * low
        upper = middle + multiplier * average
        lower = middle - multiplier * average
        if ranges == period or state[STILL] >= motionless:
            side = 1.0 if close >= middle else -1.0
        else:
            # a band moves only towards the price, until a close goes beyond it
            if before <= state[UPPER]:
                upper = min(upper, state[UPPER])
            if before >= state[LOWER]:
                lower = max(lower, state[LOWER])
            side = state[SIDE]
            if side < 0.0 and close > upper:
                side = 1.0
            elif side > 0.0 and close < lower:
                side = -1.0
        state[UPPER] = upper
        state[LOWER] = lower
        state[SIDE] = side
        line = lower if side > 0.0 else upper
        state[LINE] = line
        away = close - line
        span = abs(away) + multiplier * average
        return line, away / span if span > 0.0 else 0.0

    return Indicator(
        name="supertrend",
        inputs=("high", "low", "close"),
        outputs=("line", "atr"),
        params=params,
        first_value=period,
        warmup=65 * period,
        size=SIZE,
        step=step,
    )
