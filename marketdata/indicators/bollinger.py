"""Bollinger bands (Bollinger 2001): where the close lies between mean plus and minus k sigma."""

from dataclasses import dataclass
from math import nan, sqrt

from marketdata.indicators.registry import (
    INDICATORS,
    Indicator,
    IndicatorParams,
    State,
    ranged,
)

PERCENT_B, UPPER, MIDDLE, LOWER, BARS, RING = range(6)


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
    period, deviations = params.period, params.deviations

    def step(
        state: State, _open: float, _high: float, _low: float, close: float, _volume: float
    ) -> tuple[float, float]:
        place = int(state[BARS]) % period
        state[BARS] += 1.0
        state[RING + place] = close
        if state[BARS] < period:
            state[PERCENT_B] = state[UPPER] = state[MIDDLE] = state[LOWER] = nan
            return nan, nan

        # Summed afresh and oldest first: a running sum would remember where it began. Measured
        # from the oldest close, so that equal closes give a width of exactly nothing.
        first = place + 1
        oldest = state[RING + first % period]
        total = 0.0
        for back in range(period):
            total += state[RING + (first + back) % period] - oldest
        mean = total / period
        widest = 0.0
        for back in range(period):
            away = abs(state[RING + back] - oldest - mean)
            widest = max(widest, away)
        spread = 0.0
        if widest > 0.0:  # in units of the widest: squares of huge or tiny prices stay finite
            squares = 0.0
            for back in range(period):
                away = (state[RING + (first + back) % period] - oldest - mean) / widest
                squares += away * away
            spread = widest * sqrt(squares / period)

        middle = oldest + mean
        half = deviations * spread
        state[MIDDLE] = middle
        state[UPPER] = middle + half
        state[LOWER] = middle - half
        place_in_band = (close - oldest - mean) / half if half > 0.0 else 0.0
        state[PERCENT_B] = 0.5 + 0.5 * place_in_band
        return state[PERCENT_B], max(-1.0, min(1.0, place_in_band))

    return Indicator(
        name="bollinger",
        inputs=("close",),
        outputs=("percent_b", "upper", "middle", "lower"),
        params=params,
        first_value=period - 1,
        warmup=period - 1,
        size=RING + period,
        step=step,
    )
