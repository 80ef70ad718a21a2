"""Money flow index (Quong and Soudack 1989): the share of rising bars in all money moved."""

from dataclasses import dataclass
from math import isnan, nan

from marketdata.indicators.columns import CLOSE, HIGH, LOW, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import window_sum


@dataclass(frozen=True)
class MfiParams(IndicatorParams):
    """Changes of the window."""

    period: int = ranged(14, 2, 400)


DEFAULT = MfiParams()


@INDICATORS.register("mfi")
def mfi(params: MfiParams = DEFAULT) -> Indicator:
    """Return the fold: raw 0…100, 50 when nothing flows; normalised raw / 50 - 1."""
    return Indicator(
        name="mfi",
        family="volume",
        inputs=("high", "low", "close", "volume"),
        outputs=("mfi",),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=mfi_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
    )


def mfi_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, oldest first."""
    highs, lows, closes, volume = bars[HIGH], bars[LOW], bars[CLOSE], bars[VOLUME]
    period = int(numbers[0])
    for i in range(first, last):
        raw = normalised = nan
        begin = i + 1 - period
        if begin > start:
            total = window_sum(volume, begin, i + 1)
            gained = lost = 0.0
            if total > 0.0:
                before = (highs[begin - 1] + lows[begin - 1] + closes[begin - 1]) / 3.0
                for k in range(begin, i + 1):
                    typical = (highs[k] + lows[k] + closes[k]) / 3.0
                    # price times share of volume: price times volume may be too large a number
                    flow = abs(typical) * (volume[k] / total)
                    change = typical - before
                    if abs(change) > 1e-13 * abs(typical):  # else a rounding of equal sums
                        gained += flow if change > 0.0 else 0.0
                        lost += flow if change < 0.0 else 0.0
                    before = typical
            if not isnan(total):
                moved = gained + lost
                raw = 100.0 * (gained / moved) if moved > 0.0 else 50.0
                normalised = raw / 50.0 - 1.0
        out[0, i - first] = raw
        out[1, i - first] = normalised
