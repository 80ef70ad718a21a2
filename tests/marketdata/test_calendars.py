"""Sessions: weeks, holidays, half days, specials, breaks and clock changes."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bars import IntArray, Timeframe, from_micros, to_micros
from marketdata.calendars import Calendar, UnknownCalendarError, calendar_named

HOUR = timedelta(hours=1)


def named(name: str) -> Calendar:
    found = calendar_named(name)
    assert found is not None
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def texts(micros: IntArray) -> list[str]:
    return [f"{from_micros(one):%m-%d %H:%M}" for one in micros]


def hours(name: str, day: date) -> tuple[str, str] | None:
    found = named(name).session_of(day)
    return found and (f"{found[0]:%m-%d %H:%M}", f"{found[1]:%m-%d %H:%M}")


def test_calendar_named_when_empty_is_none() -> None:
    assert calendar_named("") is None


def test_calendar_named_when_unknown_says_which_are_known() -> None:
    with pytest.raises(UnknownCalendarError, match=r"unknown calendar 'MOON'; use '24/7', 'FX'"):
        calendar_named("MOON")


def test_calendar_named_when_own_loads_no_library() -> None:
    code = (
        "import sys; from marketdata.calendars import calendar_named as named;"
        "named('24/7'); named('FX'); assert 'pandas' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("NYSE", date(2024, 3, 8), ("03-08 14:30", "03-08 21:00")),
        ("NYSE", date(2024, 3, 11), ("03-11 13:30", "03-11 20:00")),  # clocks changed
        ("NYSE", date(2024, 7, 3), ("07-03 13:30", "07-03 17:00")),  # half day
        ("NYSE", date(2024, 7, 4), None),
        ("NYSE", date(2024, 7, 6), None),
        ("NSE", date(2024, 1, 19), ("01-19 03:45", "01-19 10:00")),
        ("NSE", date(2024, 1, 20), ("01-20 03:45", "01-20 10:00")),  # Saturday, full
        ("NSE", date(2024, 3, 2), ("03-02 03:45", "03-02 07:00")),  # Saturday, two parts
        ("NSE", date(2024, 5, 18), ("05-18 03:45", "05-18 07:00")),
        ("NSE", date(2019, 10, 27), ("10-27 12:45", "10-27 13:45")),  # Sunday evening
        ("NSE", date(2021, 11, 4), ("11-04 12:45", "11-04 13:45")),  # Thursday evening
        ("NSE", date(2026, 2, 1), ("02-01 03:45", "02-01 10:00")),  # Sunday, the budget's
        ("NSE", date(2024, 1, 26), None),
        ("24/7", date(2024, 12, 25), ("12-25 00:00", "12-26 00:00")),
        ("FX", date(2024, 3, 8), ("03-07 22:00", "03-08 22:00")),
        ("FX", date(2024, 3, 11), ("03-10 21:00", "03-11 21:00")),  # Sunday evening, changed
        ("FX", date(2024, 3, 10), None),
        ("FX", date(2023, 12, 25), None),
        ("FX", date(2024, 1, 2), ("01-01 22:00", "01-02 22:00")),
    ],
)
def test_session_of_when_asked_returns_its_hours(
    name: str, day: date, expected: tuple[str, str] | None
) -> None:
    assert hours(name, day) == expected


def test_sessions_when_over_new_year_are_in_order() -> None:
    found = named("NYSE").sessions(date(2020, 12, 30), date(2021, 1, 5))
    assert [date(1970, 1, 1) + timedelta(days=day) for day in found.day.tolist()] == [
        *(date(2020, 12, 30), date(2020, 12, 31), date(2021, 1, 4), date(2021, 1, 5)),
    ]
    assert (found.opened_at < found.closed_at).all()


def test_is_open_when_at_the_edges_counts_the_open_only() -> None:
    nyse, nse = named("NYSE"), named("NSE")
    assert [nyse.is_open(at(f"2024-07-03T{time}")) for time in ("13:29", "13:30", "17:00")] == [
        *(False, True, False),
    ]
    break_at = ("04:29", "04:30", "05:59", "06:00")
    assert [nse.is_open(at(f"2024-03-02T{time}")) for time in break_at] == [
        *(True, False, False, True),
    ]


def test_expected_opens_when_hours_start_at_the_open_and_end_with_the_close() -> None:
    day = (at("2024-07-03"), at("2024-07-04"))
    assert texts(named("NYSE").expected_opens(Timeframe.H1, *day)) == [
        *("07-03 13:30", "07-03 14:30", "07-03 15:30", "07-03 16:30"),
    ]
    assert texts(named("NYSE").expected_opens(Timeframe.H1, *day, on_clock=True)) == [
        *("07-03 13:00", "07-03 14:00", "07-03 15:00", "07-03 16:00"),
    ]


def test_expected_opens_when_break_has_none_in_it() -> None:
    special = (at("2024-03-02"), at("2024-03-03"))
    assert len(named("NSE").expected_opens(Timeframe.M1, *special)) == 105
    assert texts(named("NSE").expected_opens(Timeframe.H1, *special)) == [
        *("03-02 03:45", "03-02 06:00"),
    ]


def test_expected_opens_when_the_open_was_late_keep_the_usual_grid() -> None:
    # 17 September 2001: silence until 09:33.
    morning = (at("2001-09-17"), at("2001-09-17T13:45"))
    assert texts(named("NYSE").expected_opens(Timeframe.M5, *morning)) == [
        *("09-17 13:30", "09-17 13:35", "09-17 13:40"),
    ]
    assert texts(named("NYSE").expected_opens(Timeframe.M1, *morning))[0] == "09-17 13:33"


def test_expected_opens_when_daily_and_weekly_follow_the_sessions() -> None:
    span = (at("2024-03-28"), at("2024-04-14"))
    nyse = named("NYSE")
    assert texts(nyse.expected_opens(Timeframe.D1, *span))[:3] == [
        *("03-28 13:30", "04-01 13:30", "04-02 13:30"),  # Good Friday is missing
    ]
    assert texts(nyse.expected_opens(Timeframe.W1, *span)) == ["04-01 13:30", "04-08 13:30"]
    assert texts(nyse.expected_opens(Timeframe.W1, *span, on_clock=True)) == ["04-01 00:00"]


def test_days_of_when_labelled_by_several_habits_returns_the_session_date() -> None:
    labels = [
        ("NYSE", "2024-07-03T00:00"),  # midnight UTC
        ("NYSE", "2024-07-03T13:30"),  # the open
        ("NYSE", "2024-07-03T04:00"),  # midnight New York
        ("NSE", "2024-07-02T18:30"),  # midnight in India
        ("FX", "2024-07-02T21:00"),  # 17:00 New York the day before
    ]
    for name, label in labels:
        day = named(name).days_of(np.array([to_micros(at(label))]))
        assert texts(day * 86_400_000_000) == ["07-03 00:00"], label


TIMEFRAMES = st.sampled_from(list(Timeframe))
INSTANTS = st.datetimes(datetime(2005, 1, 1), datetime(2025, 1, 1)).map(
    lambda naive: naive.replace(tzinfo=UTC)
)


@settings(deadline=None)  # a calendar is loaded at the first example
@given(st.sampled_from(["24/7", "FX", "NYSE", "NSE"]), TIMEFRAMES, INSTANTS, st.booleans())
def test_bars_when_any_span_rise_without_overlap_and_lie_in_it(
    name: str, timeframe: Timeframe, since: datetime, on_clock: bool
) -> None:
    until = since + timeframe.length * 40
    found = named(name).bars(timeframe, since, until, on_clock=on_clock)
    assert (found.opened_at < found.closed_at).all()
    assert (found.closed_at[:-1] <= found.opened_at[1:]).all()
    assert (found.closed_at - found.opened_at <= timeframe.seconds * 1_000_000 + 3.6e9).all()
    if len(found):
        assert found.opened_at[0] >= to_micros(since)
        assert found.closed_at[-1] <= to_micros(until)


@settings(deadline=None)  # a calendar is loaded at the first example
@given(st.sampled_from(["FX", "NYSE", "NSE"]), INSTANTS)
def test_is_open_when_any_instant_agrees_with_the_minutes_expected(
    name: str, instant: datetime
) -> None:
    minute = instant.replace(second=0, microsecond=0)
    calendar = named(name)
    expected = calendar.expected_opens(Timeframe.M1, minute, minute + HOUR / 60)
    assert calendar.is_open(minute) == (len(expected) == 1)
