"""Stochastic RSI (Chande and Kroll 1994): where the RSI lies in the range of its last values."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged, highest, lowest, push, window_sum

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
        size=KEPT + params.window + params.signal,
    )


def stoch_rsi_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step the RSI, and look its last values through afresh at every bar."""
    close = bars[CLOSE]
    period, window, signal = numbers[0], int(numbers[1]), int(numbers[2])
    share = 1.0 / period
    values_end = KEPT + window
    end = values_end + signal
    gain, loss = state[GAIN], state[LOSS]
    for i in range(first, last):
        changes = i - start
        raw = mean = rsi = normalised = nan
        if changes > 0:
            change = close[i] - close[i - 1]
            tiny = 1e-13 * abs(close[i])
            gain = averaged(gain, max(change, 0.0), changes, period, share, tiny)
            loss = averaged(loss, max(-change, 0.0), changes, period, share, tiny)
        values = changes - period + 1.0
        if values >= 1.0:
            moved = gain + loss
            now = 100.0 * (gain / moved) if moved > 0.0 else 50.0
            push(state, KEPT, values_end, now)
            if values >= window:
                bottom = lowest(state, KEPT, values_end)
                span = highest(state, KEPT, values_end) - bottom
                place = 100.0 * ((now - bottom) / span) if span > ROUNDING else now
                push(state, values_end, end, place)
            if values >= window + signal - 1.0:
                raw, rsi = state[end - 1], now
                mean = window_sum(state, values_end, end) / signal
                normalised = raw / 50.0 - 1.0
        out[0, i - first] = raw
        out[1, i - first] = mean
        out[2, i - first] = rsi
        out[3, i - first] = normalised
    state[GAIN], state[LOSS] = gain, loss
