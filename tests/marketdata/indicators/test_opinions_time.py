"""Time features against Python's datetime and pandas."""

from datetime import UTC, datetime, timedelta
from math import cos, nan, pi, sin

import numpy as np
import pandas as pd
import pytest

from domain.bars import Bar, Timeframe, series_of, to_micros
from marketdata.indicators.columns import SESSION_CLOSE, SESSION_OPEN
from marketdata.indicators.fold import columns_of, outputs_over
from marketdata.indicators.hour import hour
from marketdata.indicators.seasonality import SeasonalityParams, seasonality
from marketdata.indicators.session_position import session_position
from marketdata.indicators.weekday import weekday
from tests.marketdata.indicators import suite

every_timeframe = pytest.mark.parametrize(
    "timeframe", [Timeframe.M3, Timeframe.H1, Timeframe.H4, Timeframe.D1]
)


def bars_of(timeframe: Timeframe) -> tuple[Bar, ...]:
    return suite.bars_at(suite.daily_bars("AAPL")[:1500], timeframe)


@every_timeframe
def test_hour_when_compared_with_datetime_agrees(timeframe: Timeframe) -> None:
    bars = bars_of(timeframe)
    angles = [2 * pi * (one.closed_at.hour * 60 + one.closed_at.minute) / 1440 for one in bars]
    hours, sine, cosine, _ = np.array(suite.rows_over(hour(), bars)).T
    assert hours.tolist() == [bar.closed_at.hour for bar in bars]
    assert sine == pytest.approx([sin(angle) for angle in angles], abs=1e-12)
    assert cosine == pytest.approx([cos(angle) for angle in angles], abs=1e-12)


@every_timeframe
def test_weekday_when_compared_with_datetime_agrees(timeframe: Timeframe) -> None:
    bars = bars_of(timeframe)
    ours = [row[0] for row in suite.rows_over(weekday(), bars)]
    last = timedelta(microseconds=1)
    assert ours == [float((bar.closed_at - last).weekday()) for bar in bars]


@every_timeframe
def test_session_position_when_no_session_is_known_follows_the_utc_day(
    timeframe: Timeframe,
) -> None:
    bars = bars_of(timeframe)
    (rows,) = outputs_over((session_position(),), columns_of(series_of(bars)))
    day = timedelta(days=1)
    theirs = []
    for bar in bars:
        midnight = bar.opened_at.replace(hour=0, minute=0)
        theirs.append(min((bar.closed_at - midnight) / day, 1.0))
    assert rows[0].tolist() == pytest.approx(theirs, rel=1e-12)
    assert suite.bits(rows.T.tolist()) == suite.bits(suite.rows_over(session_position(), bars))


def test_session_position_when_session_is_short_ends_early() -> None:
    opens = datetime(2024, 11, 29, 14, 30, tzinfo=UTC)
    half_hour = timedelta(minutes=30)
    bars = tuple(
        Bar(opens + n * half_hour, opens + (n + 1) * half_hour, 1.0, 1.0, 1.0, 1.0, 1.0)
        for n in range(-1, 8)
    )
    beside = columns_of(series_of(bars))
    beside[SESSION_OPEN] = to_micros(opens)
    beside[SESSION_CLOSE] = to_micros(opens + 7 * half_hour)  # a half day closes at 13:00
    beside[SESSION_OPEN, -1] = nan  # after it: the UTC day, of which 18 h 30 min have passed
    (rows,) = outputs_over((session_position(),), beside)
    assert rows[0].tolist() == [0.0, *(n / 7 for n in range(1, 8)), 18.5 / 24.0]


@pytest.mark.parametrize(
    ("timeframe", "days", "lookback"),
    [(Timeframe.H1, 20, 1000), (Timeframe.H1, 9, 100), (Timeframe.M30, 5, 400)],
)
def test_seasonality_when_compared_with_pandas_agrees(
    timeframe: Timeframe, days: int, lookback: int
) -> None:
    # bars of a night are missing: some days have no bar at that time
    bars = tuple(bar for n, bar in enumerate(bars_of(timeframe)) if n % 31 > 3)
    indicator = seasonality(SeasonalityParams(days, lookback))
    rows = np.array(suite.rows_over(indicator, bars))
    closed = pd.DatetimeIndex([bar.closed_at for bar in bars])
    returns = np.log(pd.Series([bar.close for bar in bars], closed)).diff()
    following = returns.shift(-1)
    places = pd.Series(range(len(bars)), closed)
    for now in range(0, len(bars), 23):
        back = closed[now] - pd.to_timedelta(range(1, days + 1), "D")
        met = [one for one in back if places.get(one, -1) > max(0, now + 1 - lookback)]
        theirs = [returns[met].mean(), following[met].mean()] if met else [0.0, 0.0]
        assert rows[now, :3] == pytest.approx([*theirs, len(met)], rel=1e-9, abs=1e-13)
    assert set(rows[:, 2]) >= {0.0, 1.0, 2.0, 3.0}
