"""Hour of the day: when a bar closed, by the UTC clock and as a place on its circle."""

from dataclasses import dataclass
from math import cos, floor, nan, pi, sin

from marketdata.indicators.columns import CLOSED
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams

MICROS_OF_HOUR = 3_600_000_000.0
MICROS_OF_DAY = 24.0 * MICROS_OF_HOUR


@dataclass(frozen=True)
class HourParams(IndicatorParams):
    """None."""


DEFAULT = HourParams()


@INDICATORS.register("hour")
def hour(params: HourParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the whole hour 0…23, then sine and cosine of the exact time."""
    return Indicator(
        name="hour",
        family="time",
        inputs=("time",),
        outputs=("hour", "hour_sin", "hour_cos"),
        params=params,
        first_value=0,
        warmup=0,
        kernel=hour_kernel,
        is_directed=False,
    )


def hour_kernel(bars, _start, first, last, _state, _numbers, out):  # type: ignore[no-untyped-def]
    """Read the clock at the close of every bar."""
    closed = bars[CLOSED]
    for i in range(first, last):
        since_midnight = closed[i] - MICROS_OF_DAY * floor(closed[i] / MICROS_OF_DAY)
        angle = 2.0 * pi * (since_midnight / MICROS_OF_DAY)
        out[0, i - first] = floor(since_midnight / MICROS_OF_HOUR)
        out[1, i - first] = sin(angle)
        out[2, i - first] = cos(angle)
        out[3, i - first] = nan
