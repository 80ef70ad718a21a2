"""Donchian channel: where the close lies between the highest high and the lowest low."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, window_highs, window_lows


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
    close, period = bars[CLOSE], int(numbers[0])
    whole = min(max(first, start + period - 1), last)
    blank(out, whole - first)
    position, upper, middle = (
        out[0, whole - first :],
        out[1, whole - first :],
        out[2, whole - first :],
    )
    lower, normalised = out[3, whole - first :], out[4, whole - first :]
    window_highs(bars[HIGH], whole, last, period, upper)
    window_lows(bars[LOW], whole, last, period, lower)
    for place in range(last - whole):
        width = upper[place] - lower[place]
        inside = (close[whole + place] - lower[place]) / width
        position[place] = 2.0 * inside - 1.0 if width > 0.0 else 0.0
        normalised[place] = position[place]
        middle[place] = 0.5 * upper[place] + 0.5 * lower[place]
