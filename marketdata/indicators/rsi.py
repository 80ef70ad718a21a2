"""Relative strength index (Wilder 1978): the share of gains in all movement."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.registry import (
    INDICATORS,
    Indicator,
    IndicatorParams,
    State,
    ranged,
)

RSI, BARS, CLOSE, GAIN, LOSS, SIZE = range(6)


@dataclass(frozen=True)
class RsiParams(IndicatorParams):
    """Changes averaged."""

    period: int = ranged(14, 2, 200)


DEFAULT = RsiParams()


@INDICATORS.register("rsi")
def rsi(params: RsiParams = DEFAULT) -> Indicator:
    """Return the fold: raw 0…100, 50 when nothing moves; normalised raw / 50 - 1."""
    period = params.period
    share = 1.0 / period
    keep = 1.0 - share

    def step(
        state: State, _open: float, _high: float, _low: float, close: float, _volume: float
    ) -> tuple[float, float]:
        change = close - state[CLOSE]
        state[CLOSE] = close
        changes = state[BARS]
        state[BARS] = changes + 1.0
        state[RSI] = nan
        if changes == 0.0:
            return nan, nan
        up = change if change > 0.0 else 0.0
        down = -change if change < 0.0 else 0.0
        if changes <= period:  # Wilder's seed: the plain mean of the first changes
            state[GAIN] += up
            state[LOSS] += down
            if changes < period:
                return nan, nan
            gain = state[GAIN] / period
            loss = state[LOSS] / period
        else:
            gain = share * up + keep * state[GAIN]
            loss = share * down + keep * state[LOSS]
        # Rounding stalls an average a few bits beside a constant input: land on it, so that
        # every start ends on the same bits. 1e-13 of the price is far below any tick.
        tiny = 1e-13 * abs(close)
        state[GAIN] = gain = up if abs(up - gain) <= tiny else gain
        state[LOSS] = loss = down if abs(down - loss) <= tiny else loss
        moved = gain + loss
        raw = 100.0 * (gain / moved) if moved > 0.0 else 50.0
        state[RSI] = raw
        return raw, raw / 50.0 - 1.0

    return Indicator(
        name="rsi",
        inputs=("close",),
        outputs=("rsi",),
        params=params,
        first_value=period,
        warmup=65 * period,
        size=SIZE,
        step=step,
    )
