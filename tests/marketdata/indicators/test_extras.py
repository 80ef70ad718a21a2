"""Sessions and flows beside the bars: which session a bar belongs to, what trades it holds."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from domain.bars import IntArray, Timeframe, from_micros, to_micros
from marketdata.calendars import UnknownCalendarError, day_number
from marketdata.indicators.columns import BESIDE, FLOW, SESSION_DAY, TRADED
from marketdata.indicators.extras import Flows, extras_of, flow_columns, session_columns

Session = tuple[date, str, str] | None


def micros(*texts: str) -> IntArray:
    instants = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts)
    return np.array([to_micros(one) for one in instants], dtype=np.int64)


def sessions(name: str, timeframe: Timeframe, *texts: str) -> list[Session]:
    columns = session_columns(name, timeframe, micros(*texts))
    return [
        None
        if np.isnan(day)
        else (
            date(1970, 1, 1) + timedelta(days=int(day)),
            f"{from_micros(int(opens)):%m-%d %H:%M}",
            f"{from_micros(int(closes)):%m-%d %H:%M}",
        )
        for day, opens, closes in columns.T
    ]


@pytest.mark.parametrize("name", ["", "24/7"])
def test_sessions_when_market_never_closes_are_utc_days(name: str) -> None:
    found = sessions(name, Timeframe.M1, "2023-12-31 23:59", "2024-01-01 00:00")
    assert found == [
        (date(2023, 12, 31), "12-31 00:00", "01-01 00:00"),
        (date(2024, 1, 1), "01-01 00:00", "01-02 00:00"),
    ]


@pytest.mark.parametrize(
    ("name", "opened", "expected"),
    [
        ("NYSE", "2024-03-08 14:30", (date(2024, 3, 8), "03-08 14:30", "03-08 21:00")),
        ("NYSE", "2024-03-08 20:55", (date(2024, 3, 8), "03-08 14:30", "03-08 21:00")),
        ("NYSE", "2024-03-08 21:00", None),
        ("NYSE", "2024-03-08 14:25", None),  # it ends as the session begins
        ("NYSE", "2024-03-11 13:30", (date(2024, 3, 11), "03-11 13:30", "03-11 20:00")),
        ("NYSE", "2024-07-03 13:30", (date(2024, 7, 3), "07-03 13:30", "07-03 17:00")),
        ("NYSE", "2024-07-03 17:00", None),  # half day
        ("NYSE", "2024-07-04 15:00", None),
        ("NSE", "2024-03-01 03:45", (date(2024, 3, 1), "03-01 03:45", "03-01 10:00")),
        ("NSE", "2024-03-02 05:00", (date(2024, 3, 2), "03-02 03:45", "03-02 07:00")),  # break
        ("FX", "2024-03-10 20:55", None),
        ("FX", "2024-03-10 21:00", (date(2024, 3, 11), "03-10 21:00", "03-11 21:00")),
        ("FX", "2024-03-08 00:00", (date(2024, 3, 8), "03-07 22:00", "03-08 22:00")),
        ("FX", "2024-11-03 22:00", (date(2024, 11, 4), "11-03 22:00", "11-04 22:00")),
        ("FX", "2024-12-31 23:00", None),  # new year
        ("FX", "2026-01-01 22:00", (date(2026, 1, 2), "01-01 22:00", "01-02 22:00")),
    ],
)
def test_session_when_bar_is_short_holds_its_opening(
    name: str, opened: str, expected: Session
) -> None:
    assert sessions(name, Timeframe.M5, opened) == [expected]


def test_session_when_bar_is_labelled_early_is_the_one_that_begins_in_it() -> None:
    assert sessions("NYSE", Timeframe.H1, "2024-03-08 14:00", "2024-03-08 13:00") == [
        (date(2024, 3, 8), "03-08 14:30", "03-08 21:00"),
        None,
    ]
    assert sessions("NYSE", Timeframe.D1, "2024-03-08 00:00", "2024-03-09 00:00") == [
        (date(2024, 3, 8), "03-08 14:30", "03-08 21:00"),
        None,  # a Saturday
    ]


def test_sessions_when_bars_span_years_equal_those_asked_alone() -> None:
    hours = np.arange(*micros("2019-12-20", "2024-01-05"), 5 * 3600 * 1_000_000, dtype=np.int64)
    together = session_columns("NYSE", Timeframe.H1, hours)
    alone = [session_columns("NYSE", Timeframe.H1, hours[n : n + 1]) for n in range(len(hours))]
    assert np.array_equal(together, np.hstack(alone), equal_nan=True)
    assert 0.2 < np.isfinite(together[0]).mean() < 0.3


def test_sessions_when_there_are_no_bars_are_none() -> None:
    assert session_columns("NYSE", Timeframe.H1, micros()).shape == (3, 0)


def test_sessions_when_calendar_is_unknown_are_refused() -> None:
    with pytest.raises(UnknownCalendarError, match="unknown calendar 'MOON'"):
        session_columns("MOON", Timeframe.H1, micros("2024-03-08"))


def test_sessions_when_market_never_closes_load_no_library() -> None:
    code = (
        "import sys, numpy; from domain.bars import Timeframe;"
        "from marketdata.indicators.extras import session_columns as made;"
        "made('', Timeframe.H1, numpy.array([0])); assert 'pandas' not in sys.modules;"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_flows_when_bars_have_no_trade_are_missing() -> None:
    flows = Flows(np.array([20, 40]), np.array([-3.0, 0.5]), np.array([5.0, 0.5]))
    columns = flow_columns(flows, np.array([10, 20, 30, 40, 50]))
    nan = np.nan
    assert np.array_equal(
        columns, [[nan, -3.0, nan, 0.5, nan], [nan, 5.0, nan, 0.5, nan]], equal_nan=True
    )
    none = Flows(*(np.array([], dtype=kind) for kind in (np.int64, float, float)))
    assert np.isnan(flow_columns(none, np.array([10, 20]))).all()


def test_extras_when_composed_stand_in_their_columns() -> None:
    opened = micros("2024-03-08 15:00", "2024-03-08 15:05")
    flows = Flows(opened[1:], np.array([2.0]), np.array([4.0]))
    columns = extras_of(calendar_name="NYSE", timeframe=Timeframe.M5, flows=flows)(opened)
    assert columns[SESSION_DAY - BESIDE].tolist() == [day_number(date(2024, 3, 8))] * 2
    assert np.isnan(columns[FLOW - BESIDE :, 0]).all()
    assert columns[[FLOW - BESIDE, TRADED - BESIDE], 1].tolist() == [2.0, 4.0]
    alone = extras_of(calendar_name="NYSE", timeframe=Timeframe.M5)(opened)
    assert np.array_equal(alone[:3], columns[:3])
    assert np.isnan(alone[3:]).all()
