"""Donchian channel: where the close lies between the highest high and the lowest low."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import highest, lowest


@dataclass(frozen=True)
class DonchianParams(IndicatorParams):
    """Bars of the channel, the newest included."""

    period: int = ranged(20, 2, 400)


DEFAULT = DonchianParams()


@INDICATORS.register("donchian")
def donchian(params: DonchianParams = DEFAULT) -> Indicator:
    """Return the fold: raw is -1 for a close at the lowest low, +1 at the highest high.

    Normalised is the same; 0 for a channel without width.
    """
    return Indicator(
        name="donchian",
        family="volatility",
        inputs=("high", "low", "close"),
        outputs=("position", "upper", "middle", "lower"),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=donchian_kernel,
        numbers=(float(params.period),),
        lookback=params.period,
    )


def donchian_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Search the window afresh at every bar."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period = int(numbers[0])
    for i in range(first, last):
        position = upper = middle = lower = nan
        begin = i + 1 - period
        if begin >= start:
            upper = highest(highs, begin, i + 1)
            lower = lowest(lows, begin, i + 1)
            middle = 0.5 * upper + 0.5 * lower
            width = upper - lower
            position = 2.0 * ((closes[i] - lower) / width) - 1.0 if width > 0.0 else 0.0
        out[0, i - first] = position
        out[1, i - first] = upper
        out[2, i - first] = middle
        out[3, i - first] = lower
        out[4, i - first] = position
