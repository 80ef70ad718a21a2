"""Bollinger bands (Bollinger 2001): where the close lies between mean plus and minus k sigma."""

from dataclasses import dataclass
from math import sqrt

from domain.bars import FloatArray
from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, greater, lesser, window_means, window_squares

# Sums of squares between these lost nothing to underflow and none overflowed.
SMALLEST, LARGEST = 1e-250, 1e300


@dataclass(frozen=True)
class BollingerParams(IndicatorParams):
    """Bars of the window and standard deviations between middle and band."""

    period: int = ranged(20, 2, 400)
    deviations: float = ranged(2.0, 0.1, 10.0)


DEFAULT = BollingerParams()


@INDICATORS.register("bollinger")
def bollinger(params: BollingerParams = DEFAULT) -> Indicator:
    """Return the fold: raw is %B, 0 on the lower band, 1 on the upper; 0.5 for zero width.

    Normalised is 2 * %B - 1 held within -1…+1: closes beyond a band count as on the band.
    """
    return Indicator(
        name="bollinger",
        family="volatility",
        inputs=("close",),
        outputs=("percent_b", "upper", "middle", "lower", "width"),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=bollinger_kernel,
        numbers=(float(params.period), params.deviations),
        lookback=params.period,
    )


def bollinger_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, oldest first."""
    close = bars[CLOSE]
    period, deviations = int(numbers[0]), numbers[1]
    whole = min(max(first, start + period - 1), last)
    blank(out, whole - first)
    upper, middle, lower = out[1, whole - first :], out[2, whole - first :], out[3, whole - first :]
    percent, width = out[0, whole - first :], out[4, whole - first :]
    normalised = out[5, whole - first :]
    squares, half = percent, width  # until the end
    window_means(close, whole, last, period, middle)  # of equal closes exactly the close
    window_squares(close, whole, last, period, middle, squares)
    for place in range(last - whole):
        half[place] = deviations * sqrt(squares[place] / period)
    for place in range(last - whole):
        if not SMALLEST < squares[place] < LARGEST:
            end = whole + place + 1
            half[place] = deviations * scaled_spread(close[end - period : end], middle[place])
    for place in range(last - whole):
        centre, reach = middle[place], half[place]
        beside = (close[whole + place] - centre) / reach if reach > 0.0 else 0.0
        percent[place] = 0.5 + 0.5 * beside
        upper[place] = centre + reach
        lower[place] = centre - reach
        width[place] = 2.0 * (reach / centre) if centre != 0.0 else 0.0
        normalised[place] = lesser(greater(beside, -1.0), 1.0)


def scaled_spread(row: FloatArray, middle: float) -> float:
    """Return the deviation in units of the widest, so that squares of any prices stay numbers."""
    widest = squares = 0.0
    for price in row:
        widest = max(widest, abs(price - middle))
    if widest == 0.0:
        return 0.0
    for price in row:
        away = (price - middle) / widest
        squares += away * away
    return float(widest * sqrt(squares / len(row)))
