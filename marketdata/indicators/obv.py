"""On-balance volume (Granville 1963) of a window: volume signed by the change of the close."""

from dataclasses import dataclass

from marketdata.indicators.columns import CLOSE, VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import ROOM, blank, keep, window_sums


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
        lookback=params.period,
        size=params.period - 1 + ROOM,
    )


def obv_kernel(bars, start, first, last, state, numbers, out):  # type: ignore[no-untyped-def]
    """Sum the window afresh at every bar, oldest first; the state holds its signed volumes."""
    close, volume, period = bars[CLOSE], bars[VOLUME], int(numbers[0])
    kept = period - 1
    for begin in range(first, last, ROOM):
        size = min(ROOM, last - begin)
        for i in range(max(begin, start + 1), begin + size):
            rose = 1.0 if close[i] > close[i - 1] else 0.0
            fell = 1.0 if close[i] < close[i - 1] else 0.0
            state[kept + i - begin] = (rose - fell) * volume[i]  # NaN, not available, stays NaN
        window_sums(state, kept, kept + size, period, out[0, begin - first :])
        keep(state, size)
    whole = min(max(first, start + period), last)
    blank(out, whole - first)
    raw, normalised = out[0, whole - first :], out[1, whole - first :]
    window_sums(volume, whole, last, period, normalised)
    for place in range(last - whole):
        total = normalised[place]
        normalised[place] = raw[place] / total if total != 0.0 else 0.0
