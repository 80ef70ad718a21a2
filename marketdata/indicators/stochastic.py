"""Stochastic oscillator (Lane): where the close lies in the range of the last bars, smoothed."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE, HIGH, LOW
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import ROOM, blank, keep, window_highs, window_lows, window_sums


@dataclass(frozen=True)
class StochasticParams(IndicatorParams):
    """Bars of the range, of the mean that slows %K, and of the mean that makes %D of it."""

    period: int = ranged(14, 2, 400)
    slowing: int = ranged(3, 1, 100)
    signal: int = ranged(3, 1, 100)


DEFAULT = StochasticParams()


@INDICATORS.register("stochastic")
def stochastic(params: StochasticParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the slow %K, 0…100, 50 at rest; normalised raw / 50 - 1."""
    first_value = params.period + params.slowing + params.signal - 3
    return Indicator(
        name="stochastic",
        family="momentum",
        inputs=("high", "low", "close"),
        outputs=("k", "d"),
        params=params,
        first_value=first_value,
        warmup=first_value,
        kernel=stochastic_kernel,
        numbers=(float(params.period), float(params.slowing), float(params.signal)),
        lookback=params.period,
        size=params.slowing + params.signal - 2 + 2 * ROOM,
    )


def stochastic_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Keep the last fast and slow values, and average them afresh at every bar."""
    highs, lows, closes = bars[HIGH], bars[LOW], bars[CLOSE]
    period, slowing, signal = int(numbers[0]), int(numbers[1]), int(numbers[2])
    fasts, slows = state[: slowing - 1 + ROOM], state[slowing - 1 + ROOM :]
    fast, slow = fasts[slowing - 1 :], slows[signal - 1 :]
    for tile in range(max(first, start + period - 1), last, ROOM):
        size, column = min(ROOM, last - tile), tile - first
        raw, mean, normalised = out[0, column:], out[1, column:], out[2, column:]
        close = closes[tile : tile + size]
        window_highs(highs, tile, tile + size, period, raw)
        window_lows(lows, tile, tile + size, period, mean)
        for place in range(size):
            span = raw[place] - mean[place]
            at = 100.0 * ((close[place] - mean[place]) / span)
            fast[place] = at if span > 0.0 else 50.0
        window_sums(fasts, slowing - 1, slowing - 1 + size, slowing, raw)
        for place in range(size):
            slow[place] = raw[place] / slowing
        window_sums(slows, signal - 1, signal - 1 + size, signal, mean)
        for place in range(size):
            raw[place] = slow[place]
            mean[place] /= signal
            normalised[place] = slow[place] / 50.0 - 1.0
        keep(fasts, size)
        keep(slows, size)
    early = start + period + slowing + signal - 3
    blank(out, min(max(early - first, 0), last - first))
