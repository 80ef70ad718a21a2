"""What stands beside the bars for kernels that ask: sessions of a calendar, flow of trades."""

from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache

import numpy as np

from domain.bars import FloatArray, IntArray, Timeframe, from_micros
from marketdata.calendars import CLOCK, MARGIN, MICROS, calendar_named, runs_of
from marketdata.indicators.columns import BESIDE, COLUMNS, FLOW, SESSION_DAY
from marketdata.indicators.fold import Extras

# Windows read together hold the same instants: what each calendar was last asked, and told.
_LAST_ASKED: dict[tuple[str, Timeframe], tuple[IntArray, FloatArray]] = {}


@dataclass(frozen=True)
class Flows:
    """What was bought less what was sold, and both together, of bars with known trades."""

    opened_at: IntArray  # epoch microseconds, rising
    net: FloatArray
    traded: FloatArray


def extras_of(*, calendar_name: str, timeframe: Timeframe, flows: Flows | None = None) -> Extras:
    """Return what tells a fold the columns beside the bars opened at given instants."""
    if flows is None:
        return _sessions_alone(calendar_name, timeframe)

    def beside(opened_at: IntArray) -> FloatArray:
        columns = alone(opened_at)
        columns[FLOW - BESIDE :] = flow_columns(flows, opened_at)
        return columns

    alone = _sessions_alone(calendar_name, timeframe)
    return beside


@cache
def _sessions_alone(calendar_name: str, timeframe: Timeframe) -> Extras:
    """Return one and the same for all instruments of a calendar: folds side by side ask once."""

    def beside(opened_at: IntArray) -> FloatArray:
        columns = np.full((COLUMNS - BESIDE, len(opened_at)), np.nan)
        columns[SESSION_DAY - BESIDE : FLOW - BESIDE] = session_columns(
            calendar_name, timeframe, opened_at
        )
        return columns

    return beside


def session_columns(calendar_name: str, timeframe: Timeframe, opened_at: IntArray) -> FloatArray:
    """Return date (days since 1970), open and close of the session of each bar, 3 x n.

    It is the one that holds the bar's opening, else the first that begins within the bar: a US
    hour labelled 14:00 for 14:30, a day labelled midnight. NaN where neither is. Parts of a day
    with a break are one session. Without a calendar ('') the sessions are the UTC days.
    """
    if len(opened_at) == 1:  # live: the instruments of a calendar ask one after the other
        return _session_of_one(calendar_name, timeframe, int(opened_at[0]))
    known = _LAST_ASKED.get((calendar_name, timeframe))
    if known is None or not np.array_equal(known[0], opened_at):
        known = (opened_at.copy(), _sessions(calendar_name, timeframe, opened_at))
        known[1].flags.writeable = False
        _LAST_ASKED[calendar_name, timeframe] = known
    return known[1]


@lru_cache(maxsize=4096)
def _session_of_one(calendar_name: str, timeframe: Timeframe, opened_at: int) -> FloatArray:
    found = _sessions(calendar_name, timeframe, np.array([opened_at], dtype=np.int64))
    found.flags.writeable = False
    return found


def _sessions(calendar_name: str, timeframe: Timeframe, opened_at: IntArray) -> FloatArray:
    columns = np.full((3, len(opened_at)), np.nan)
    if len(opened_at) == 0:
        return columns
    day, opens, closes = _days(
        calendar_name,
        (from_micros(int(opened_at.min())) - MARGIN).year,
        (from_micros(int(opened_at.max())) + MARGIN).year,
    )
    if len(day) == 0:
        return columns
    at = np.searchsorted(opens, opened_at, side="right") - 1
    is_inside = (at >= 0) & (opened_at < closes[at])
    place = np.where(is_inside, at, np.minimum(at + 1, len(opens) - 1))
    is_known = is_inside | (
        (opens[place] > opened_at) & (opens[place] < opened_at + timeframe.seconds * MICROS)
    )
    known = place[is_known]
    columns[:, is_known] = day[known], opens[known], closes[known]
    return columns


def flow_columns(flows: Flows, opened_at: IntArray) -> FloatArray:
    """Return net and traded volume of each bar, 2 x n, NaN where no trade is known."""
    columns = np.full((2, len(opened_at)), np.nan)
    place = np.searchsorted(flows.opened_at, opened_at)
    is_known = np.append(flows.opened_at, -1)[place] == opened_at
    columns[:, is_known] = flows.net[place[is_known]], flows.traded[place[is_known]]
    return columns


@cache
def _days(
    calendar_name: str, first_year: int, last_year: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Return date, open and close of every session of the years; parts of a day as one."""
    calendar = calendar_named(calendar_name) or CLOCK
    parts = calendar.sessions(date(first_year, 1, 1), date(last_year, 12, 31))
    first, last = runs_of(parts.day)
    return parts.day[first], parts.opened_at[first], parts.closed_at[last]
