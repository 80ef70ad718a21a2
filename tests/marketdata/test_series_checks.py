"""What is odd in a series, and which real moves are not."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from domain.bars import BarSeries, Timeframe, from_micros, to_micros
from marketdata.calendars import calendar_named
from marketdata.series_checks import CHECKS, Finding, check_series

RecordedBars = Callable[[str, str], BarSeries]
MINUTE = 60_000_000
M1 = Timeframe.M1


def walk(count: int = 2000) -> BarSeries:
    """Return minutes of a seeded walk: ranges of about a tenth of a percent, always volume."""
    chance = np.random.default_rng(11)
    close = 100 * np.exp(chance.normal(0, 0.0005, count).cumsum())
    open_ = np.append(100.0, close[:-1])
    high = np.maximum(open_, close) * (1 + chance.random(count) / 2000)
    low = np.minimum(open_, close) * (1 - chance.random(count) / 2000)
    opened_at = np.arange(count, dtype=np.int64) * MINUTE + to_micros(
        datetime(2024, 7, 1, tzinfo=UTC)
    )
    volume = chance.integers(1, 90, count).astype(np.float64)
    return BarSeries(opened_at, opened_at + MINUTE, open_, high, low, close, volume)


def kinds(bars: BarSeries, calendar: str = "24/7") -> list[tuple[int, str, int]]:
    """Return (position, kind, bars) of everything found."""
    return [
        (int(np.searchsorted(bars.opened_at, one.opened_at)), one.kind, one.bars)
        for one in check_series(bars, M1, calendar_named(calendar))
    ]


def test_check_series_when_a_plain_walk_finds_nothing() -> None:
    assert kinds(walk()) == []
    assert kinds(walk()[:0]) == []
    assert kinds(walk()[:3]) == []


@pytest.mark.parametrize("times", [1.03, 0.97, 10.0, 0.1])
def test_check_series_when_one_print_is_wrong_finds_an_outlier(times: float) -> None:
    bars = walk()
    side = bars.high if times > 1 else bars.low
    side[700] = bars.close[700] * times
    assert kinds(bars) == [(700, "outlier", 1)]


def test_check_series_when_the_price_jumps_and_stays_finds_no_outlier() -> None:
    bars = walk()
    for side in (bars.open, bars.high, bars.low, bars.close):
        side[900:] *= 0.5
    assert "outlier" not in [kind for _, kind, _ in kinds(bars)]


def test_check_series_when_the_price_sticks_finds_the_run() -> None:
    bars = walk()
    for side in (bars.open, bars.high, bars.low, bars.close):
        side[300:320] = bars.close[299]
    assert kinds(bars) == [(300, "stuck", 20)]


def test_check_series_when_bars_are_often_still_finds_no_short_run() -> None:
    bars = walk()
    # Every third bar does not move, as in the night of a currency pair.
    for side in (bars.open, bars.high, bars.low):
        side[1::3] = bars.close[0::3][: len(side[1::3])]
    bars.close[1::3] = bars.close[0::3][: len(bars.close[1::3])]
    for side in (bars.open, bars.high, bars.low, bars.close):
        side[300:306] = bars.close[299]
    assert kinds(bars) == []


def test_check_series_when_nothing_trades_finds_the_run() -> None:
    bars = walk()
    bars.volume[500:514] = 0
    assert kinds(bars) == [(500, "zero_volume", 14)]


def test_check_series_when_volume_is_not_measured_finds_no_lack_of_it() -> None:
    bars = walk()
    assert kinds(replace(bars, volume=bars.volume * np.nan)) == []


def test_check_series_when_outside_the_session_finds_each_run() -> None:
    bars = walk(1440)  # a day of New York: open 13:30 to 20:00 UTC
    assert kinds(bars, "NYSE") == [(0, "off_session", 810), (1200, "off_session", 240)]


def test_checks_when_listed_have_a_line_for_people() -> None:
    assert all(check.__doc__ for check in CHECKS)


# --- recorded ----------------------------------------------------------------------------------


def found_in(
    recorded_bars: RecordedBars, file: str, timeframe: str, calendar: str
) -> tuple[Finding, ...]:
    return check_series(
        recorded_bars(file, timeframe), Timeframe.parse(timeframe), calendar_named(calendar)
    )


@pytest.mark.parametrize("coin", ["BTC", "ETH", "SOL", "LINK"])
def test_check_series_when_exchange_halted_finds_the_fourteen_empty_bars(
    coin: str, recorded_bars: RecordedBars
) -> None:
    found = found_in(recorded_bars, f"crypto/binance_{coin}USDT_5m", "5m", "24/7")
    assert [
        (f"{from_micros(one.opened_at):%Y-%m-%d %H:%M}", one.kind, one.bars) for one in found
    ] == [
        ("2023-03-24 11:30", "stuck", 14),
        ("2023-03-24 11:30", "zero_volume", 14),
    ]


@pytest.mark.parametrize("file", ["binance_BTCUSDT_1m", "binance_ETHUSDT_1m", "btcperp_1m_202201"])
def test_check_series_when_the_market_crashes_finds_nothing(
    file: str, recorded_bars: RecordedBars
) -> None:
    # 5 August 2024: bitcoin lost 17 % within hours.
    assert found_in(recorded_bars, f"crypto/{file}", "1m", "24/7") == ()


def test_check_series_when_special_saturday_finds_the_rows_after_its_close(
    recorded_bars: RecordedBars,
) -> None:
    found = found_in(recorded_bars, "india/NIFTY_1m_2024", "1m", "NSE")
    opened_at = to_micros(datetime(2024, 1, 20, 10, tzinfo=UTC))
    note = "to 2024-01-20 12:46 UTC"
    assert found == (Finding(opened_at, "off_session", 167, 167, note),)


@pytest.mark.parametrize("symbol", ["SBIN", "ITC", "TATAMOTORS"])
def test_check_series_when_news_moved_the_price_finds_nothing(
    symbol: str, recorded_bars: RecordedBars
) -> None:
    assert found_in(recorded_bars, f"india/NSE_{symbol}_1d", "1d", "NSE") == ()


def test_check_series_when_apple_finds_wrong_prints_and_splits(
    recorded_bars: RecordedBars,
) -> None:
    daily = found_in(recorded_bars, "us_equity/AAPL_1d", "1d", "NYSE")
    assert [(f"{from_micros(one.opened_at):%Y-%m-%d}", one.kind) for one in daily] == [
        ("2000-06-21", "split_suspected"),
        ("2005-02-28", "split_suspected"),
        ("2009-09-21", "outlier"),  # a low of a twentieth of the price
        ("2010-08-31", "outlier"),
        ("2011-01-03", "outlier"),
        ("2014-06-09", "split_suspected"),
        ("2020-08-31", "split_suspected"),
    ]
    hourly = found_in(recorded_bars, "us_equity/AAPL_1h", "1h", "NYSE")
    assert Counter(one.kind for one in hourly) == {
        "off_session": 23,
        "split_suspected": 4,
        "outlier": 6,
    }
    # The first bar in new units is the one labelled an hour before its middle.
    splits = (from_micros(one.opened_at) for one in hourly if one.kind == "split_suspected")
    assert next(splits) == (datetime(2000, 6, 21, 13, tzinfo=UTC))
