"""Timeframes, instants, columns and the periods blocks begin at."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bars import (
    Bar,
    Timeframe,
    UnknownTimeframeError,
    from_micros,
    period_start,
    series_of,
    to_micros,
)

INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 5),
    max_value=datetime(2200, 1, 1),
    timezones=st.just(UTC),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_timeframe_when_parsed_knows_its_length() -> None:
    assert Timeframe.parse("15m") is Timeframe.M15
    assert Timeframe.H4.seconds == 14400
    assert Timeframe.W1.length == timedelta(days=7)
    assert [one.seconds for one in Timeframe] == sorted(one.seconds for one in Timeframe)


@pytest.mark.parametrize("text", ["", "5", "5M", "2d", "1D"])
def test_timeframe_when_unknown_lists_the_known(text: str) -> None:
    with pytest.raises(UnknownTimeframeError, match="known: 1m, 3m, 5m"):
        Timeframe.parse(text)


@given(INSTANTS)
def test_micros_when_taken_there_and_back_are_exact(instant: datetime) -> None:
    assert from_micros(to_micros(instant)) == instant


def test_micros_when_zone_differs_mean_the_same_instant() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    assert to_micros(datetime(2020, 1, 1, 5, 30, tzinfo=india)) == to_micros(at("2020-01-01"))


def test_micros_when_time_is_naive_are_refused() -> None:
    with pytest.raises(ValueError, match="naive time"):
        to_micros(datetime(2020, 1, 1))


@pytest.mark.parametrize(
    ("timeframe", "start"),
    [
        ("1m", "2013-08-15T00:00"),
        ("3m", "2013-08-15T00:00"),
        ("5m", "2013-08-12T00:00"),
        ("15m", "2013-08-01T00:00"),
        ("30m", "2013-08-01T00:00"),
        ("1h", "2013-07-01T00:00"),
        ("4h", "2013-07-01T00:00"),
        ("1d", "2012-01-01T00:00"),
        ("1w", "2012-01-01T00:00"),
    ],
)
def test_period_start_when_asked_per_timeframe_follows_the_table(
    timeframe: str, start: str
) -> None:
    assert period_start(Timeframe(timeframe), at("2013-08-15T14:31:07")) == at(start)


@pytest.mark.parametrize("month", range(1, 13))
def test_period_start_when_last_day_of_a_month_keeps_to_the_quarter(month: int) -> None:
    last = datetime(2013 + month // 12, month % 12 + 1, 1, tzinfo=UTC) - timedelta(seconds=1)
    quarter = datetime(2013, 3 * ((month - 1) // 3) + 1, 1, tzinfo=UTC)
    assert period_start(Timeframe.H1, last) == quarter


@given(INSTANTS, st.sampled_from(Timeframe))
def test_period_start_when_taken_again_stays(instant: datetime, timeframe: Timeframe) -> None:
    start = period_start(timeframe, instant)
    assert start <= instant
    assert period_start(timeframe, start) == start


@given(INSTANTS, INSTANTS, st.sampled_from(Timeframe))
def test_period_start_when_time_rises_never_falls(
    one: datetime, two: datetime, timeframe: Timeframe
) -> None:
    early, late = sorted((one, two))
    assert period_start(timeframe, early) <= period_start(timeframe, late)


def test_period_start_when_zone_differs_uses_the_utc_day() -> None:
    india = timezone(timedelta(hours=5, minutes=30))
    just_after_midnight = datetime(2013, 8, 15, 2, 0, tzinfo=india)
    assert period_start(Timeframe.M1, just_after_midnight) == at("2013-08-14")


def test_series_when_made_of_bars_holds_their_columns() -> None:
    opened = at("2013-08-15")
    bars = [
        Bar(opened, opened + timedelta(days=1), 1.0, 4.0, 0.5, 2.0, 7.0),
        Bar(opened + timedelta(days=1), opened + timedelta(days=2), 2.0, 3.0, 1.5, 2.5, None),
    ]
    series = series_of(bars)
    assert len(series) == 2
    assert series.opened_at.tolist() == [to_micros(bar.opened_at) for bar in bars]
    assert series.closed_at.tolist() == [to_micros(bar.closed_at) for bar in bars]
    prices = (series.open, series.high, series.low, series.close)
    assert [column.tolist() for column in prices] == [[1, 2], [4, 3], [0.5, 1.5], [2, 2.5]]
    assert series.volume[0] == 7.0
    assert np.isnan(series.volume[1])
    assert {column.dtype for column in (*prices, series.volume)} == {np.dtype("float64")}


def test_series_when_cut_cuts_every_column() -> None:
    opened = at("2013-08-15")
    day = timedelta(days=1)
    bars = [Bar(opened + i * day, opened + (i + 1) * day, i, i, i, i, i) for i in range(5)]
    part = series_of(bars)[1:3]
    assert {tuple(getattr(part, name).tolist()) for name in ("open", "close", "volume")} == {(1, 2)}
    assert part.opened_at.tolist() == [to_micros(bar.opened_at) for bar in bars[1:3]]


def test_series_when_empty_has_typed_columns() -> None:
    series = series_of([])
    assert len(series) == 0
    assert (series.opened_at.dtype, series.close.dtype) == (np.dtype("int64"), np.dtype("float64"))


def test_micros_when_an_hour_comes_twice_tell_its_halves_apart() -> None:
    early = datetime(2024, 11, 3, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    late = early.replace(fold=1)
    assert to_micros(late) - to_micros(early) == 3600 * 1_000_000
