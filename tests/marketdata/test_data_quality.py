"""Every reason a bar is refused for, and which one wins."""

import math

import numpy as np
import pytest

from domain.bars import BarSeries, IntArray, Timeframe
from marketdata.calendars import calendar_named
from marketdata.data_quality import (
    MICROS,
    Reason,
    check_bars,
    decimals_of,
    mixed_in,
    off_grid,
    wrong_step,
)

HOUR = 3_600_000_000
NOW = 10 * HOUR


def bars(
    open_: float = 10.0,
    high: float = 12.0,
    low: float = 9.0,
    close: float = 11.0,
    volume: float = 5.0,
    opened_at: int = HOUR,
) -> BarSeries:
    """Return one bar as columns."""
    columns = (np.array([value], dtype=np.float64) for value in (open_, high, low, close, volume))
    times = np.array([opened_at], dtype=np.int64)
    return BarSeries(times, times + HOUR, *columns)


def reason_of(series: BarSeries, timeframe: Timeframe = Timeframe.H1) -> Reason:
    return Reason(int(check_bars(series, timeframe=timeframe, now_micros=NOW)[0]))


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        (bars(), Reason.FINE),
        (bars(volume=math.nan), Reason.FINE),
        (bars(volume=0.0), Reason.FINE),
        (bars(open_=9.0, high=9.0, low=9.0, close=9.0), Reason.FINE),
        (bars(close=math.nan), Reason.NOT_FINITE),
        (bars(high=math.inf), Reason.NOT_FINITE),
        (bars(volume=math.inf), Reason.NOT_FINITE),
        (bars(low=0.0), Reason.PRICE_NOT_POSITIVE),
        (bars(low=-9.0), Reason.PRICE_NOT_POSITIVE),
        (bars(high=8.0), Reason.HIGH_BELOW_LOW),
        (bars(open_=12.5), Reason.OUTSIDE_HIGH_LOW),
        (bars(close=8.5), Reason.OUTSIDE_HIGH_LOW),
        (bars(volume=-1.0), Reason.NEGATIVE_VOLUME),
        (bars(high=1e15), Reason.TOO_LARGE),
        (bars(volume=1e18), Reason.TOO_LARGE),
        (bars(opened_at=HOUR + 1), Reason.OFF_GRID),
        (bars(opened_at=HOUR + HOUR // 2), Reason.OFF_GRID),
        (bars(opened_at=10 * HOUR), Reason.NOT_CLOSED_YET),
        (bars(opened_at=9 * HOUR), Reason.FINE),
    ],
)
def test_check_bars_when_one_thing_is_wrong_names_it(series: BarSeries, expected: Reason) -> None:
    assert reason_of(series) == expected


def test_check_bars_when_several_things_are_wrong_names_the_first() -> None:
    assert reason_of(bars(high=-1.0, volume=-1.0, opened_at=HOUR + 1)) == Reason.PRICE_NOT_POSITIVE


def test_check_bars_when_daily_ignores_the_grid() -> None:
    assert reason_of(bars(opened_at=HOUR + 1), Timeframe.D1) == Reason.FINE


def test_reason_when_any_has_words() -> None:
    assert [reason.text != "" for reason in Reason] == [False] + [True] * (len(Reason) - 1)


@pytest.mark.parametrize(
    ("price", "decimals"),
    [
        (10.0, 0),
        (10.5, 1),
        (0.285, 3),
        (1.576025, 6),
        (438.1799, 4),
        (1 / 3, 8),
        (67745.75, 2),
    ],
)
def test_decimals_of_when_prices_given_counts_them(price: float, decimals: int) -> None:
    assert decimals_of([np.array([price, 1.0, np.nan])]) == decimals
    assert decimals_of([np.array([1.0])], at_least=decimals) == decimals


def instants(*times: str) -> IntArray:
    return np.array(times, dtype="datetime64[us]").astype(np.int64)


def test_off_grid_when_calendar_is_known_hours_may_open_with_the_session() -> None:
    opened_at = instants(
        "2024-01-02T03:45", "2024-01-02T04:00", "2024-01-02T04:45", "2024-01-02T04:50"
    )
    assert off_grid(opened_at, Timeframe.H1).tolist() == [True, False, True, True]
    nse = calendar_named("NSE")
    assert off_grid(opened_at, Timeframe.H1, nse).tolist() == [False, False, False, True]
    assert off_grid(opened_at, Timeframe.D1).tolist() == [False] * 4


def test_mixed_in_when_another_timeframe_stands_in_a_long_row_names_it() -> None:
    minutes = np.arange(30, dtype=np.int64) * 60 * MICROS
    fives = minutes[-1] + (np.arange(30, dtype=np.int64) + 1) * 300 * MICROS
    both = np.concatenate([minutes, fives])
    assert mixed_in(both, Timeframe.M1) is Timeframe.M5
    assert mixed_in(both, Timeframe.M5) is Timeframe.M1
    assert mixed_in(both[:45], Timeframe.M1) is None
    assert mixed_in(fives, Timeframe.M1) is None
    assert mixed_in(fives, Timeframe.M5) is None
    assert mixed_in(fives[:0], Timeframe.M5) is None


def every(seconds: int, rows: int) -> IntArray:
    """Return openings at regular steps from Monday 2024-01-01 on."""
    return instants("2024-01-01")[0] + np.arange(rows, dtype=np.int64) * seconds * MICROS


@pytest.mark.parametrize("real", Timeframe)
@pytest.mark.parametrize("asked", Timeframe)
def test_wrong_step_when_rows_are_of_another_timeframe_names_theirs(
    real: Timeframe, asked: Timeframe
) -> None:
    opened_at = every(real.seconds, 40)
    expected = "" if real is asked else real.value
    assert wrong_step(opened_at, asked) == expected
    doubled = np.concatenate([opened_at, opened_at])
    assert wrong_step(np.random.default_rng(1).permutation(doubled), asked) == expected


def test_wrong_step_when_a_session_has_several_bars_names_their_step() -> None:
    opens = instants("2024-01-02T14:30", "2024-01-03T14:30")
    hours = (opens[:, None] + np.arange(7) * HOUR).ravel()
    assert wrong_step(hours, Timeframe.D1, calendar_named("NYSE")) == "1h"
    assert wrong_step(hours[:2], Timeframe.D1) == "1h"
    assert wrong_step(opens, Timeframe.D1, calendar_named("NYSE")) == ""
    assert wrong_step(every(7200, 20), Timeframe.D1) == "7200 s"


def test_wrong_step_when_days_and_weeks_are_odd_lets_them_be() -> None:
    clock_change = instants("2024-03-31T00:00", "2024-03-31T23:00")  # London's midnights
    evening_session = instants("2023-11-10T03:45", "2023-11-12T12:45", "2023-11-13T03:45")
    after_holidays = instants("2024-01-02", "2024-01-08", "2024-01-16")
    assert wrong_step(clock_change, Timeframe.D1) == ""
    assert wrong_step(evening_session, Timeframe.D1, calendar_named("NSE")) == ""
    assert wrong_step(after_holidays, Timeframe.W1) == ""
    assert wrong_step(np.append(every(86_400, 9), every(86_400, 1) + HOUR), Timeframe.D1) == ""
    assert wrong_step(every(60, 0), Timeframe.D1) == ""


def test_wrong_step_when_trading_is_thin_lets_it_be() -> None:
    minutes = every(60, 4000)
    for share in (0.02, 0.2, 0.6):
        kept = np.random.default_rng(2).random(len(minutes)) < share
        assert wrong_step(minutes[kept], Timeframe.M1) == ""
    odd = np.append(every(300, 300), minutes[7])
    assert wrong_step(odd, Timeframe.M1) == "5m"
    assert wrong_step(every(300, 20), Timeframe.M1) == ""  # 19 steps tell nothing yet
