"""Bollinger bands (Bollinger 2001): where the close lies between mean plus and minus k sigma."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import held, squares_about, window_mean

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
    for i in range(first, last):
        place = i - first
        begin = i + 1 - period
        if begin < start:
            for row in range(6):
                out[row, place] = nan
            continue
        middle = window_mean(close, begin, i + 1)  # of equal closes exactly the close
        squares = squares_about(middle, close, begin, i + 1)
        if SMALLEST < squares < LARGEST:
            spread = sqrt(squares / period)
        else:  # huge or tiny prices: in units of the widest, so that squares stay numbers
            widest = 0.0
            for k in range(begin, i + 1):
                widest = max(widest, abs(close[k] - middle))
            spread = squares = 0.0
            if widest > 0.0:
                for k in range(begin, i + 1):
                    away = (close[k] - middle) / widest
                    squares += away * away
                spread = widest * sqrt(squares / period)
        half = deviations * spread
        place_in_band = (close[i] - middle) / half if half > 0.0 else 0.0
        out[0, place] = 0.5 + 0.5 * place_in_band
        out[1, place] = middle + half
        out[2, place] = middle
        out[3, place] = middle - half
        out[4, place] = 2.0 * (half / middle) if middle != 0.0 else 0.0
        out[5, place] = held(place_in_band, -1.0, 1.0)
