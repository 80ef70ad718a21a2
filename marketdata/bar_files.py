"""Files of bars: CSV, CSV.gz and Parquet in the `ts,...` and `date,...` layouts.

Needed columns: `ts` (opening instant) or `date` (session date), open, high, low, close. `volume`
may be missing (an index) or empty (not measured); `closed_at`, `split_factor` and `price_factor`
are read too; every other column is ignored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from domain.bars import BarSeries, FloatArray, IntArray, Timeframe, from_micros
from marketdata.calendars import DAY, Calendar
from marketdata.data_quality import MICROS, ReasonArray
from marketdata.row_files import read_rows
from marketdata.row_layouts import BadFileError, Cell, Column, Columns, Kind, Layout

PRICES = tuple(Column(name) for name in ("open", "high", "low", "close"))
VOLUME = Column("volume", cell=Cell.MAY, is_needed=False)
FACTORS = tuple(
    Column(name, cell=Cell.HINT, is_needed=False) for name in ("split_factor", "price_factor")
)
# Our own exports have it: a session's last bar may close before its timeframe is over.
CLOSED_AT = Column("closed_at", Kind.INSTANT, cell=Cell.MAY, is_needed=False)
BARS = Layout((Column("opened_at", Kind.INSTANT, "ts"), *PRICES, VOLUME, *FACTORS, CLOSED_AT))
DAILY_BARS = Layout((Column("day", Kind.DATE, "date"), *PRICES, VOLUME, *FACTORS))


@dataclass(frozen=True)
class RawBars:
    """Rows as read: where `reasons` is not 0 the values mean nothing. NaN volume: not measured."""

    line: IntArray
    bars: BarSeries
    factors: dict[str, FloatArray]  # split_factor and price_factor, where the file has them
    reasons: ReasonArray
    text: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.line)


def read_bar_file(
    path: Path,
    *,
    timeframe: Timeframe,
    zone: ZoneInfo | None = None,
    calendar: Calendar | None = None,
) -> Iterator[RawBars]:
    """Yield the rows of the file in its order; a broken file raises `BadFileError`.

    `zone` reads times without a zone; `calendar` gives a session date its opening and
    closing instants. Without it, and on dates without a session, a daily bar lasts the UTC day.
    """
    for rows in read_rows(path, (BARS, DAILY_BARS), zone=zone):
        if rows.layout.has("day"):
            if timeframe.seconds < Timeframe.D1.seconds:
                raise BadFileError(
                    f"{path}: rows carry session dates, so they are daily bars,"
                    f" not {timeframe.value}"
                )
            opened_at, closed_at = _session_bounds(rows.columns["day"], timeframe, calendar)
        else:
            opened_at = rows.columns["opened_at"]
            closed_at = opened_at + timeframe.seconds * MICROS
            if (said := rows.columns.get("closed_at")) is not None:
                closed_at = np.where(said != 0, said, closed_at)
        yield RawBars(
            line=rows.line,
            bars=_series(opened_at, closed_at, rows.columns),
            factors={
                one.name: rows.columns[one.name] for one in FACTORS if one.name in rows.columns
            },
            reasons=rows.reasons,
            text=rows.text,
        )


def _series(opened_at: IntArray, closed_at: IntArray, columns: Columns) -> BarSeries:
    open_, high, low, close = (columns[column.name] for column in PRICES)
    volume = columns.get("volume")
    if volume is None:
        volume = np.full(len(opened_at), np.nan)
    return BarSeries(opened_at, closed_at, open_, high, low, close, volume)


def _session_bounds(
    day: IntArray, timeframe: Timeframe, calendar: Calendar | None
) -> tuple[IntArray, IntArray]:
    """Return when the session of each date (its midnight UTC) opens and closes."""
    opened_at, closed_at = day.copy(), day + timeframe.seconds * MICROS
    if calendar is None or timeframe is not Timeframe.D1 or len(day) == 0:
        return opened_at, closed_at
    number = day // DAY
    years = day.astype("datetime64[us]").astype("datetime64[Y]")
    for year in np.unique(years):
        at = np.flatnonzero(years == year)
        days = [from_micros(int(day[at].min())).date(), from_micros(int(day[at].max())).date()]
        sessions = calendar.sessions(*days)
        # A session with a break has several stretches: the first one's open, the last one's close.
        first = np.searchsorted(sessions.day, number[at], side="left")
        last = np.searchsorted(sessions.day, number[at], side="right") - 1
        is_known = last >= first
        opened_at[at[is_known]] = sessions.opened_at[first[is_known]]
        closed_at[at[is_known]] = sessions.closed_at[last[is_known]]
    return opened_at, closed_at
