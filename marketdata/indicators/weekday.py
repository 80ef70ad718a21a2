"""Weekday: the UTC day that a bar ended in, 0 Monday…6 Sunday."""

from dataclasses import dataclass
from math import floor, nan

from marketdata.indicators.columns import CLOSED
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams

MICROS_OF_DAY = 86_400_000_000.0
# 1970-01-01 was a Thursday.
THURSDAY = 3.0


@dataclass(frozen=True)
class WeekdayParams(IndicatorParams):
    """None."""


DEFAULT = WeekdayParams()


@INDICATORS.register("weekday")
def weekday(params: WeekdayParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the day 0…6; a bar that closes at midnight ended the day before."""
    return Indicator(
        name="weekday",
        family="time",
        inputs=("time",),
        outputs=("weekday",),
        params=params,
        first_value=0,
        warmup=0,
        kernel=weekday_kernel,
        is_directed=False,
    )


def weekday_kernel(bars, _start, first, last, _state, _numbers, out):  # type: ignore[no-untyped-def]
    """Read the calendar one microsecond before the close of every bar."""
    closed = bars[CLOSED]
    for i in range(first, last):
        day = floor((closed[i] - 1.0) / MICROS_OF_DAY) + THURSDAY
        out[0, i - first] = day - 7.0 * floor(day / 7.0)
        out[1, i - first] = nan
