"""On-balance volume (Granville 1963) of a window: volume signed by the change of the close."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged


@dataclass(frozen=True)
class ObvParams(IndicatorParams):
    """Bars whose signed volume is summed."""

    period: int = ranged(20, 2, 400)


DEFAULT = ObvParams()


@INDICATORS.register("obv")
def obv(params: ObvParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the signed volume of the window.

    Normalised is raw / all volume of the window; 0 without volume.
    """
    return Indicator(
        name="obv",
        family="volume",
        inputs=("close", "volume"),
        outputs=("signed_volume",),
        params=params,
        first_value=params.period,
        warmup=params.period,
        kernel=obv_kernel,
        numbers=(float(params.period),),
        lookback=params.period + 1,
    )


def obv_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, oldest first."""
    close, volume, period = bars[CLOSE], bars[VOLUME], int(numbers[0])
    for i in range(first, last):
        raw = normalised = nan
        begin = i + 1 - period
        if begin > start:
            signed = total = 0.0
            for k in range(begin, i + 1):
                total += volume[k]
                rose = 1.0 if close[k] > close[k - 1] else 0.0
                fell = 1.0 if close[k] < close[k - 1] else 0.0
                signed += (rose - fell) * volume[k]  # NaN, not available, stays NaN
            raw = signed
            normalised = signed / total if total != 0.0 else 0.0
        out[0, i - first] = raw
        out[1, i - first] = normalised
