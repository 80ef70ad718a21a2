"""Volume-weighted average price of the session so far, and how far the close lies from it."""

from dataclasses import dataclass
from math import floor, isnan, nan, sqrt

from marketdata.indicators.columns import CLOSE, HIGH, LOW, OPENED, SESSION_DAY, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, squashed, true_range

RANGE, DAY, AVERAGE, TOTAL, BARS, SIZE = range(6)

MICROS_OF_DAY = 86_400_000_000.0


@dataclass(frozen=True)
class VwapParams(IndicatorParams):
    """True ranges averaged for the scale, and the bars of the longest session."""

    period: int = ranged(14, 2, 200)
    session_bars: int = ranged(1440, 1, 20000)


DEFAULT = VwapParams()


@INDICATORS.register("vwap")
def vwap(params: VwapParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the average in price units; the close before any volume.

    Normalised is d / (|d| + ATR * sqrt(bars of the session)) with d = close - vwap.
    """
    return Indicator(
        name="vwap",
        family="volume",
        inputs=("high", "low", "close", "volume", "time", "session"),
        outputs=("vwap",),
        params=params,
        first_value=params.period,
        warmup=max(65 * params.period, params.session_bars),
        kernel=vwap_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=SIZE,
    )


def vwap_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the session's average and Wilder's average of true ranges."""
    highs, lows, closes, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    opened, session = bars[OPENED], bars[SESSION_DAY]
    period = numbers[0]
    share = 1.0 / period
    reach, day, average = state[RANGE], state[DAY], state[AVERAGE]
    total, count = state[TOTAL], state[BARS]
    for i in range(first, last):
        ranges = i - start
        high, low, close = highs[i], lows[i], closes[i]
        if ranges > 0:
            reached = true_range(high, low, closes[i - 1])
            reach = averaged(reach, reached, ranges, period, share, 1e-13 * abs(close))
        # days outside sessions count below zero: they never pass for a session of that date
        own = -1.0 - floor(opened[i] / MICROS_OF_DAY) if isnan(session[i]) else session[i]
        if ranges == 0 or own != day:
            day, average, total, count = own, 0.0, 0.0, 0.0
        count += 1.0
        total += volume[i]
        # exactly the price where all three are equal
        typical = low + ((high - low) + (close - low)) / 3.0
        if total != 0.0:
            average += (typical - average) * (volume[i] / total)
        raw = normalised = nan
        if ranges >= period:
            raw = average if total != 0.0 else close
            if not isnan(raw):
                normalised = squashed(close - raw, reach * sqrt(count))
        out[0, i - first] = raw
        out[1, i - first] = normalised
    state[RANGE], state[DAY], state[AVERAGE] = reach, day, average
    state[TOTAL], state[BARS] = total, count
