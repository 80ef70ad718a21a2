"""Relative strength index (Wilder 1978): the share of gains in all movement."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import averaged

GAIN, LOSS, SIZE = range(3)


@dataclass(frozen=True)
class RsiParams(IndicatorParams):
    """Changes averaged."""

    period: int = ranged(14, 2, 200)


DEFAULT = RsiParams()


@INDICATORS.register("rsi")
def rsi(params: RsiParams = DEFAULT) -> Indicator:
    """Return the fold: raw 0…100, 50 when nothing moves; normalised raw / 50 - 1."""
    return Indicator(
        name="rsi",
        family="momentum",
        inputs=("close",),
        outputs=("rsi",),
        params=params,
        first_value=params.period,
        warmup=65 * params.period,
        kernel=rsi_kernel,
        numbers=(float(params.period),),
        lookback=2,
        size=SIZE,
    )


def rsi_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Step Wilder's averages of gains and losses."""
    close = bars[CLOSE]
    period = numbers[0]
    share = 1.0 / period
    gain, loss = state[GAIN], state[LOSS]
    for i in range(first, last):
        changes = i - start
        raw = normalised = nan
        if changes > 0:
            change = close[i] - close[i - 1]
            tiny = 1e-13 * abs(close[i])
            gain = averaged(gain, max(change, 0.0), changes, period, share, tiny)
            loss = averaged(loss, max(-change, 0.0), changes, period, share, tiny)
            if changes >= period:
                moved = gain + loss
                raw = 100.0 * (gain / moved) if moved > 0.0 else 50.0
                normalised = raw / 50.0 - 1.0
        out[0, i - first] = raw
        out[1, i - first] = normalised
    state[GAIN], state[LOSS] = gain, loss
