"""Missing bars: which ones, and what is no gap."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bars import BarSeries, IntArray, Timeframe, from_micros, to_micros
from marketdata.calendars import Calendar, calendar_named
from marketdata.gaps import Gap, find_gaps

RecordedBars = Callable[[str, str], BarSeries]


class Hole(NamedTuple):
    """A gap in readable words."""

    first: str
    last: str
    bars: int


def named(name: str) -> Calendar:
    found = calendar_named(name)
    assert found is not None
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def holes(gaps: tuple[Gap, ...]) -> list[Hole]:
    return [
        Hole(
            f"{from_micros(gap.first_opened_at):%Y-%m-%d %H:%M}",
            f"{from_micros(gap.last_opened_at):%Y-%m-%d %H:%M}",
            gap.bars,
        )
        for gap in gaps
    ]


def found_in(bars: BarSeries, calendar: str, timeframe: str) -> list[Hole]:
    span = (from_micros(bars.opened_at[0]), from_micros(bars.closed_at[-1]))
    return holes(
        find_gaps(bars.opened_at, named(calendar), Timeframe.parse(timeframe), *span),
    )


def without(opened_at: IntArray, *cuts: slice) -> IntArray:
    kept = np.ones(len(opened_at), dtype=np.bool_)
    for cut in cuts:
        kept[cut] = False
    return opened_at[kept]


def test_find_gaps_when_no_calendar_finds_none() -> None:
    days = np.array([0, 10], dtype=np.int64)
    assert find_gaps(days, None, Timeframe.D1, at("1970-01-01"), at("1970-03-01")) == ()


def test_find_gaps_when_bars_miss_returns_each_run() -> None:
    span = (at("2024-07-02"), at("2024-07-06"))
    minutes = named("NYSE").expected_opens(Timeframe.M1, *span)
    kept = without(minutes, slice(2, 5), slice(388, 395), slice(-1, None))
    gaps = find_gaps(kept, named("NYSE"), Timeframe.M1, *span)
    assert holes(gaps) == [
        Hole("2024-07-02 13:32", "2024-07-02 13:34", 3),
        # Over night: closed hours do not cut a run.
        Hole("2024-07-02 19:58", "2024-07-03 13:34", 7),
        Hole("2024-07-05 19:59", "2024-07-05 19:59", 1),
    ]
    assert gaps[0].first_closed_at == to_micros(at("2024-07-02T13:33"))


def test_find_gaps_when_span_ends_within_a_bar_does_not_expect_it() -> None:
    none = np.array([], dtype=np.int64)
    span = (at("2024-07-02T13:30"), at("2024-07-02T13:35"))
    found = find_gaps(none, named("NYSE"), Timeframe.M3, *span)
    assert holes(found) == [Hole("2024-07-02 13:30", "2024-07-02 13:30", 1)]


@pytest.mark.parametrize("on_clock", [True, False])
def test_find_gaps_when_either_grid_keeps_to_the_series_own(on_clock: bool) -> None:
    span = (at("2024-07-01"), at("2024-07-06"))
    opens = named("NYSE").expected_opens(Timeframe.H1, *span, on_clock=on_clock)
    found = find_gaps(without(opens, slice(3, 4)), named("NYSE"), Timeframe.H1, *span)
    missing = "2024-07-01 16:00" if on_clock else "2024-07-01 16:30"
    assert holes(found) == [Hole(missing, missing, 1)]


def test_find_gaps_when_weekly_compares_weeks() -> None:
    span = (at("2024-06-03"), at("2024-07-15"))
    mondays = np.arange(6, dtype=np.int64) * 7 * 86_400_000_000 + to_micros(at("2024-06-03"))
    assert find_gaps(mondays, named("NYSE"), Timeframe.W1, *span) == ()
    found = find_gaps(without(mondays, slice(2, 4)), named("NYSE"), Timeframe.W1, *span)
    assert holes(found) == [Hole("2024-06-17 00:00", "2024-06-24 00:00", 2)]


@settings(deadline=None)  # a calendar is loaded at the first example
@given(
    st.sampled_from(["24/7", "FX", "NYSE", "NSE"]),
    st.sampled_from([Timeframe.M5, Timeframe.H1, Timeframe.D1]),
    st.datetimes(datetime(2015, 1, 1), datetime(2024, 1, 1)),
    st.data(),
)
def test_find_gaps_when_any_bars_are_taken_out_counts_them(
    name: str, timeframe: Timeframe, start: datetime, data: st.DataObject
) -> None:
    span = (start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + timedelta(days=10))
    opens = named(name).expected_opens(timeframe, *span)
    kept = data.draw(st.lists(st.booleans(), min_size=len(opens), max_size=len(opens)))
    gaps = find_gaps(opens[np.array(kept, dtype=np.bool_)], named(name), timeframe, *span)
    assert sum(gap.bars for gap in gaps) == kept.count(False)
    # Runs are maximal: as many as there are changes from kept to missing.
    starts = [not one and (n == 0 or kept[n - 1]) for n, one in enumerate(kept)]
    assert len(gaps) == sum(starts)
    assert [gap.first_opened_at for gap in gaps] == opens[np.array(starts, dtype=np.bool_)].tolist()


@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL", "XRP", "LINK"])
def test_find_gaps_when_exchange_halted_finds_the_same_sixteen_bars(
    coin: str, recorded_bars: RecordedBars
) -> None:
    bars = recorded_bars(f"crypto/binance_{coin}USDT_5m", "5m")
    outage = Hole("2023-03-24 12:40", "2023-03-24 13:55", 16)
    assert found_in(bars, "24/7", "5m") == [outage]


@pytest.mark.parametrize(
    ("file", "calendar", "timeframe"),
    [
        ("crypto/binance_BTCUSDT_1m", "24/7", "1m"),
        ("crypto/binance_ETHUSDT_1m", "24/7", "1m"),
        ("crypto/btcperp_1m_202201", "24/7", "1m"),
        ("us_equity/AAPL_1d", "NYSE", "1d"),
        ("us_equity/SPY_1d", "NYSE", "1d"),
        ("us_equity/BAC_1d", "NYSE", "1d"),
        # Regular hours are whole; the minutes without a trade lie outside them.
        ("us_equity/SPY_1m_trade", "NYSE", "1m"),
        ("us_equity/BAC_1m_trade", "NYSE", "1m"),
    ],
)
def test_find_gaps_when_recorded_whole_finds_none(
    file: str, calendar: str, timeframe: str, recorded_bars: RecordedBars
) -> None:
    assert found_in(recorded_bars(file, timeframe), calendar, timeframe) == []


def test_find_gaps_when_us_hours_finds_the_three_places(recorded_bars: RecordedBars) -> None:
    assert found_in(recorded_bars("us_equity/AAPL_1h", "1h"), "NYSE", "1h") == [
        Hole("1999-12-31 20:00", "1999-12-31 20:00", 1),
        Hole("2013-08-22 17:00", "2013-08-22 18:00", 2),  # NASDAQ stood still for three hours
    ]
    assert found_in(recorded_bars("us_equity/SPY_1h", "1h"), "NYSE", "1h") == [
        Hole("1999-12-31 19:00", "1999-12-31 20:00", 2),
    ]


def test_find_gaps_when_nifty_minutes_finds_five_whole_days(recorded_bars: RecordedBars) -> None:
    days = ("02-01", "03-04", "04-05", "05-07", "07-10")
    assert found_in(recorded_bars("india/NIFTY_1m_2024", "1m"), "NSE", "1m") == [
        Hole(f"2024-{day} 03:45", f"2024-{day} 09:59", 375) for day in days
    ]


@pytest.mark.parametrize("symbol", ["RELIANCE", "TCS", "ITC", "TATAMOTORS"])
def test_find_gaps_when_nse_days_finds_the_two_missing(
    symbol: str, recorded_bars: RecordedBars
) -> None:
    assert found_in(recorded_bars(f"india/NSE_{symbol}_1d", "1d"), "NSE", "1d") == [
        Hole("2018-01-02 00:00", "2018-01-02 00:00", 1),
        Hole("2021-08-10 00:00", "2021-08-10 00:00", 1),
    ]


def test_find_gaps_when_euro_hours_finds_no_weekend(recorded_bars: RecordedBars) -> None:
    bars = recorded_bars("fx/oanda_EURUSD_1h", "1h")
    breaks = np.diff(bars.opened_at) // 3_600_000_000
    assert ((breaks == 49).sum(), (breaks > 1).sum()) == (589, 641)
    found = found_in(bars, "FX", "1h")
    assert (len(found), sum(hole.bars for hole in found)) == (20, 317)
    assert max(found, key=lambda hole: hole.bars) == Hole(
        "2016-12-11 22:00", "2016-12-16 04:00", 103
    )
