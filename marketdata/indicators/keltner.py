"""Keltner channels (Keltner 1960, Raschke): where the close lies between average and ranges."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, held, true_range

AVERAGE, RANGE, SIZE = range(3)


@dataclass(frozen=True)
class KeltnerParams(IndicatorParams):
    """Closes averaged, true ranges averaged, and ranges between middle and band."""

    period: int = ranged(20, 2, 200)
    atr_period: int = ranged(10, 2, 200)
    multiplier: float = ranged(2.0, 0.1, 20.0)


DEFAULT = KeltnerParams()


@INDICATORS.register("keltner")
def keltner(params: KeltnerParams = DEFAULT) -> Indicator:
    """Return the fold: raw is -1 on the lower band, +1 on the upper, 0 for zero width.

    Normalised is raw held within -1…+1: closes beyond a band count as on the band.
    """
    return Indicator(
        name="keltner",
        family="volatility",
        inputs=("high", "low", "close"),
        outputs=("position", "upper", "middle", "lower"),
        params=params,
        first_value=max(params.period - 1, params.atr_period),
        warmup=max(34 * params.period, 65 * params.atr_period),
        kernel=keltner_kernel,
        numbers=(float(params.period), float(params.atr_period), params.multiplier),
        lookback=2,
        size=SIZE,
    )


def keltner_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the average of closes and Wilder's average of true ranges."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period, atr_period, multiplier = numbers[0], numbers[1], numbers[2]
    share, atr_share = 2.0 / (period + 1.0), 1.0 / atr_period
    average, reach = state[AVERAGE], state[RANGE]
    for i in range(first, last):
        ranges = i - start
        close = closes[i]
        tiny = 1e-13 * abs(close)
        average = averaged(average, close, ranges + 1, period, share, tiny)
        if ranges > 0:
            reached = true_range(highs[i], lows[i], closes[i - 1])
            reach = averaged(reach, reached, ranges, atr_period, atr_share, tiny)
        position = upper = middle = lower = normalised = nan
        if ranges + 1 >= period and ranges >= atr_period:
            half = multiplier * reach
            middle = average
            upper = middle + half
            lower = middle - half
            position = (close - middle) / half if half > 0.0 else 0.0
            normalised = held(position, -1.0, 1.0)
        out[0, i - first] = position
        out[1, i - first] = upper
        out[2, i - first] = middle
        out[3, i - first] = lower
        out[4, i - first] = normalised
    state[AVERAGE], state[RANGE] = average, reach
