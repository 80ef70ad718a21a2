from datetime import UTC, datetime

import pytest

from domain.bars import Timeframe, from_micros, to_micros
from marketdata.calendars import calendar_named
from marketdata.closing_times import ClosingTimes


def micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def text_of(instant: int | None) -> str | None:
    return None if instant is None else f"{from_micros(instant):%Y-%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("calendar", "timeframe", "after", "expected"),
    [
        ("", Timeframe.M1, "2024-03-02T10:00:30", "2024-03-02T10:01"),
        ("", Timeframe.M1, "2024-03-02T10:01:00", "2024-03-02T10:02"),
        ("24/7", Timeframe.D1, "2024-03-02T10:00:00", "2024-03-03T00:00"),
        ("", Timeframe.W1, "2024-03-04T00:00:00", "2024-03-11T00:00"),
        ("NYSE", Timeframe.M1, "2024-03-08T20:59:30", "2024-03-08T21:00"),
        ("NYSE", Timeframe.M1, "2024-03-08T21:00:00", "2024-03-11T13:31"),  # weekend and DST
        ("NYSE", Timeframe.D1, "2024-07-03T12:00:00", "2024-07-03T17:00"),  # half day
        ("NSE", Timeframe.H1, "2024-03-01T09:50:00", "2024-03-01T10:00"),  # the last is short
    ],
)
def test_next_after_when_asked_follows_the_market(
    calendar: str, timeframe: Timeframe, after: str, expected: str
) -> None:
    times = ClosingTimes(calendar_named(calendar), timeframe)
    assert text_of(times.next_after(micros(after))) == expected


def test_opened_of_when_time_passes_for_weeks_stays_right() -> None:
    times = ClosingTimes(None, Timeframe.M5)
    for day in (1, 5, 9, 30):
        closed = micros(f"2024-04-{day:02d}T12:05:00")
        assert text_of(times.opened_of(closed)) == f"2024-04-{day:02d}T12:00"
        assert times.opened_of(closed + 60_000_000) is None


def test_opened_of_when_the_market_is_closed_is_nothing() -> None:
    times = ClosingTimes(calendar_named("NYSE"), Timeframe.M1)
    assert times.opened_of(micros("2024-03-09T15:00:00")) is None
    assert text_of(times.opened_of(micros("2024-03-08T15:00:00"))) == "2024-03-08T14:59"
