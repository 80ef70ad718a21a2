"""Stochastic RSI (Chande and Kroll 1994): where the RSI lies in the range of its last values."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import (
    ROOM,
    averaged,
    blank,
    greater,
    keep,
    window_highs,
    window_lows,
    window_sums,
)

GAIN, LOSS, KEPT = range(3)  # from KEPT on: the last RSI values, then the last %K
ROUNDING = 1e-9  # an RSI that moves by less stands still


@dataclass(frozen=True)
class StochRsiParams(IndicatorParams):
    """Changes averaged in the RSI, its values looked at, and bars of the mean that makes %D."""

    period: int = ranged(14, 2, 200)
    window: int = ranged(14, 2, 200)
    signal: int = ranged(3, 1, 100)


DEFAULT = StochRsiParams()


@INDICATORS.register("stoch_rsi")
def stoch_rsi(params: StochRsiParams = DEFAULT) -> Indicator:
    """Return the fold: raw is %K, 0…100, the RSI while that stands still; raw / 50 - 1."""
    later = params.window + params.signal - 2
    return Indicator(
        name="stoch_rsi",
        family="momentum",
        inputs=("close",),
        outputs=("k", "d", "rsi"),
        params=params,
        first_value=params.period + later,
        warmup=65 * params.period + later,
        kernel=stoch_rsi_kernel,
        numbers=(float(params.period), float(params.window), float(params.signal)),
        lookback=2,
        size=KEPT + params.window + params.signal - 2 + 2 * ROOM,
    )


def stoch_rsi_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the RSI, and look its last values through afresh at every bar."""
    closes = bars[CLOSE]
    period, window, signal = numbers[0], int(numbers[1]), int(numbers[2])
    share = 1.0 / period
    places_from = KEPT + window - 1 + ROOM
    values, places = state[KEPT:places_from], state[places_from:]
    value, place_of = values[window - 1 :], places[signal - 1 :]
    gain, loss = state[GAIN], state[LOSS]
    for tile in range(max(first, start + 1), last, ROOM):
        size, column, changes = min(ROOM, last - tile), tile - first, tile - start
        raw, mean = out[0, column:], out[1, column:]
        rsi, normalised = out[2, column:], out[3, column:]
        close, before = closes[tile : tile + size], closes[tile - 1 : tile - 1 + size]
        for place in range(size):
            change, tiny = close[place] - before[place], 1e-13 * abs(close[place])
            count = float(changes + place)
            gain = averaged(gain, greater(change, 0.0), count, period, share, tiny)
            loss = averaged(loss, greater(-change, 0.0), count, period, share, tiny)
            raw[place], mean[place] = gain, loss
        for place in range(size):
            moved = raw[place] + mean[place]
            now = 100.0 * (raw[place] / moved) if moved > 0.0 else 50.0
            rsi[place] = value[place] = now
        window_highs(values, window - 1, window - 1 + size, window, raw)
        window_lows(values, window - 1, window - 1 + size, window, mean)
        for place in range(size):
            span = raw[place] - mean[place]
            at = 100.0 * ((value[place] - mean[place]) / span)
            raw[place] = at if span > ROUNDING else value[place]
            place_of[place] = raw[place]
            normalised[place] = raw[place] / 50.0 - 1.0
        window_sums(places, signal - 1, signal - 1 + size, signal, mean)
        for place in range(size):
            mean[place] /= signal
        keep(values, size)
        keep(places, size)
    state[GAIN], state[LOSS] = gain, loss
    early = start + int(period) + window + signal - 2
    blank(out, min(max(early - first, 0), last - first))
