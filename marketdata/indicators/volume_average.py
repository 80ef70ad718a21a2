"""Volume average: the mean volume of a window, and this bar's share of it."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import VOLUME
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import blank, window_means


@dataclass(frozen=True)
class VolumeAverageParams(IndicatorParams):
    """Bars of the window, the newest included."""

    period: int = ranged(20, 2, 400)


DEFAULT = VolumeAverageParams()


@INDICATORS.register("volume_average")
def volume_average(params: VolumeAverageParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the mean volume, then this bar's volume in units of it."""
    return Indicator(
        name="volume_average",
        family="volume",
        inputs=("volume",),
        outputs=("average", "ratio"),
        params=params,
        first_value=params.period - 1,
        warmup=params.period - 1,
        kernel=volume_average_kernel,
        numbers=(float(params.period),),
        lookback=params.period,
        is_directed=False,
    )


def volume_average_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Average the window afresh at every bar."""
    volume, period = bars[VOLUME], int(numbers[0])
    whole = min(max(first, start + period - 1), last)
    blank(out, whole - first)
    average, ratio, normalised = (
        out[0, whole - first :],
        out[1, whole - first :],
        out[2, whole - first :],
    )
    window_means(volume, whole, last, period, average)
    for place in range(last - whole):
        mean = average[place]
        ratio[place] = volume[whole + place] / mean if mean != 0.0 else 0.0
        normalised[place] = nan
