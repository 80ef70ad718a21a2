"""Session position: how much of the trading session has passed at the close of a bar."""

from dataclasses import dataclass
from math import floor, isnan, nan

from marketdata.indicators.columns import CLOSED, OPENED, SESSION_CLOSE, SESSION_OPEN
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams
from marketdata.indicators.windows import held

MICROS_OF_DAY = 86_400_000_000.0


@dataclass(frozen=True)
class SessionPositionParams(IndicatorParams):
    """None."""


DEFAULT = SessionPositionParams()


@INDICATORS.register("session_position")
def session_position(params: SessionPositionParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the share 0…1; of the UTC day where no session is known."""
    return Indicator(
        name="session_position",
        family="time",
        inputs=("time", "session"),
        outputs=("position",),
        params=params,
        first_value=0,
        warmup=0,
        kernel=session_position_kernel,
        is_directed=False,
    )


def session_position_kernel(bars, _start, first, last, _state, _numbers, out):  # type: ignore[no-untyped-def]
    """Compare the close of every bar with its session."""
    opened, closed = bars[OPENED], bars[CLOSED]
    opens, closes = bars[SESSION_OPEN], bars[SESSION_CLOSE]
    for i in range(first, last):
        begin, end = opens[i], closes[i]
        if isnan(begin) or isnan(end):
            begin = MICROS_OF_DAY * floor(opened[i] / MICROS_OF_DAY)
            end = begin + MICROS_OF_DAY
        out[0, i - first] = held((closed[i] - begin) / (end - begin), 0.0, 1.0)
        out[1, i - first] = nan
