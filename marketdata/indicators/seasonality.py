"""Seasonality: what the market usually did at this time of the day, and right after it."""

from dataclasses import dataclass
from math import nan

from marketdata.indicators.columns import CLOSE, CLOSED
from marketdata.indicators.registry import INDICATORS, Indicator, IndicatorParams, ranged
from marketdata.indicators.windows import log_return

MICROS_OF_DAY = 86_400_000_000.0


@dataclass(frozen=True)
class SeasonalityParams(IndicatorParams):
    """Days looked at, this one not among them, and the bars that are searched for them."""

    days: int = ranged(20, 1, 400)
    lookback: int = ranged(1000, 10, 20000)


DEFAULT = SeasonalityParams()


@INDICATORS.register("seasonality")
def seasonality(params: SeasonalityParams = DEFAULT) -> Indicator:
    """Return the fold: raw is the mean log return of the bars that closed at this time of day.

    Then that of the bars after them, and how many there were; all 0 without any.
    """
    return Indicator(
        name="seasonality",
        family="time",
        inputs=("close", "time"),
        outputs=("mean_return", "mean_following", "found"),
        params=params,
        first_value=0,
        warmup=params.lookback - 1,
        kernel=seasonality_kernel,
        numbers=(float(params.days), float(params.lookback)),
        lookback=params.lookback,
        is_directed=False,
    )


def seasonality_kernel(bars, start, first, last, _state, numbers, out):  # type: ignore[no-untyped-def]
    """Search the same instant of each day before, from the newest back."""
    close, closed = bars[CLOSE], bars[CLOSED]
    days, lookback = int(numbers[0]), int(numbers[1])
    for i in range(first, last):
        oldest = max(start, i + 1 - lookback)
        total = following = 0.0
        found = 0
        newer = i  # the bars before this one are still to be searched
        for day in range(1, days + 1):
            wanted = closed[i] - day * MICROS_OF_DAY
            low, high = oldest, newer
            while low < high:
                middle = (low + high) // 2
                if closed[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            # the oldest bar has no close before it to measure a return from
            if low <= oldest:
                break
            if low < newer and closed[low] == wanted:
                total += log_return(close[low], close[low - 1])
                following += log_return(close[low + 1], close[low])
                found += 1
            newer = low
        out[0, i - first] = total / found if found > 0 else 0.0
        out[1, i - first] = following / found if found > 0 else 0.0
        out[2, i - first] = found
        out[3, i - first] = nan
