"""Bars and timeframes: what a market did between two instants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import PlumblineError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class UnknownTimeframeError(PlumblineError):
    """The text names no timeframe."""

    code = "unknown_timeframe"


class Timeframe(Enum):
    """How long one bar lasts; the value is its text, `seconds` its length."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"

    @property
    def seconds(self) -> int:
        """Return the length of one bar in seconds."""
        return _SECONDS[self.value]

    @property
    def length(self) -> timedelta:
        """Return the length of one bar."""
        return timedelta(seconds=self.seconds)

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """Return the timeframe called `text`, such as 5m."""
        try:
            return cls(text)
        except ValueError:
            known = ", ".join(_SECONDS)
            raise UnknownTimeframeError(f"unknown timeframe '{text}'; known: {known}") from None


_SECONDS = {
    "1m": 60,
    "3m": 180,
    "5m": 300,
    "15m": 900,
    "30m": 1800,
    "1h": 3600,
    "4h": 14400,
    "1d": 86400,
    "1w": 604800,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, raw prices; usable from `closed_at`, never earlier. Volume None: not measured."""

    opened_at: datetime
    closed_at: datetime
    open: float
    high: float
    low: float
    close: float
    volume: float | None


@dataclass(frozen=True, slots=True)
class Split:
    """From `effective_at` on, `ratio` new units stand where one stood: 2.0 halves the price."""

    effective_at: datetime
    ratio: float


@dataclass(frozen=True)
class BarSeries:
    """Columns of n bars in rising order: instants in epoch microseconds, prices float64."""

    opened_at: IntArray
    closed_at: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray  # NaN where not measured

    def __len__(self) -> int:
        return len(self.close)

    def __getitem__(self, cut: slice) -> "BarSeries":
        return BarSeries(
            self.opened_at[cut],
            self.closed_at[cut],
            self.open[cut],
            self.high[cut],
            self.low[cut],
            self.close[cut],
            self.volume[cut],
        )


def series_of(bars: Sequence[Bar]) -> BarSeries:
    """Return the columns of `bars`."""

    def floats(values: list[float]) -> FloatArray:
        return np.array(values, dtype=np.float64)

    return BarSeries(
        np.array([to_micros(bar.opened_at) for bar in bars], dtype=np.int64),
        np.array([to_micros(bar.closed_at) for bar in bars], dtype=np.int64),
        floats([bar.open for bar in bars]),
        floats([bar.high for bar in bars]),
        floats([bar.low for bar in bars]),
        floats([bar.close for bar in bars]),
        floats([np.nan if bar.volume is None else bar.volume for bar in bars]),
    )


COLUMNS = ("opened_at", "closed_at", "open", "high", "low", "close", "volume")


def picked(bars: BarSeries, where: Any) -> BarSeries:
    """Return the bars chosen by a mask or by positions."""
    return BarSeries(*(getattr(bars, name)[where] for name in COLUMNS))


def joined(parts: Sequence[BarSeries]) -> BarSeries:
    """Return all bars of all parts, one part after the other."""
    whole = [series_of([]), *parts]
    return BarSeries(*(np.concatenate([getattr(one, name) for one in whole]) for name in COLUMNS))


def in_order(bars: BarSeries) -> BarSeries:
    """Return the bars in rising opening time; of several at one time, the one that came first."""
    _, first = np.unique(bars.opened_at, return_index=True)
    return picked(bars, first)


def to_micros(instant: datetime) -> int:
    """Return the instant in whole microseconds since 1970, exact; naive time is refused."""
    if instant.tzinfo is UTC:
        return _utc_micros(instant)
    if instant.tzinfo is None:
        raise ValueError(f"naive time {instant}: every instant carries its zone")
    # Not remembered: the two halves of a repeated hour of summer time count as equal.
    return (instant - EPOCH) // MICROSECOND


@lru_cache(maxsize=4096)  # the bars of many instruments close at one instant
def _utc_micros(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the UTC instant that lies `micros` microseconds after 1970."""
    return EPOCH + timedelta(microseconds=int(micros))


def period_start(timeframe: Timeframe, opened_at: datetime) -> datetime:
    """Return the start of the block that holds `opened_at` (decision page 0003).

    UTC day below 5m, ISO week below 15m, month below 1h, quarter below 1d, else four years.
    """
    day = opened_at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if timeframe.seconds < 300:
        return day
    if timeframe.seconds < 900:
        return day - timedelta(days=day.weekday())
    if timeframe.seconds < 3600:
        return day.replace(day=1)
    if timeframe.seconds < 86400:
        return day.replace(month=day.month - (day.month - 1) % 3, day=1)
    return day.replace(year=day.year - day.year % 4, month=1, day=1)
