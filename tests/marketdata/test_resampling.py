"""Longer bars out of shorter ones: what pandas makes of recorded files, and the edges."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bars import BarSeries, IntArray, Timeframe, from_micros, to_micros
from marketdata.calendars import Calendar, calendar_named
from marketdata.resampling import ResamplingError, resample

RecordedFrame = Callable[[str], Any]
RecordedBars = Callable[[str, str], BarSeries]
MINUTE = 60_000_000
M1, M5, H1, H4, D1, W1 = (Timeframe.parse(text) for text in ("1m", "5m", "1h", "4h", "1d", "1w"))
HOW = {"open": "first", "high": "max", "low": "min", "close": "last"}
RULES = {"3m": "3min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "1h", "4h": "4h"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def made_of(opened_at: IntArray, seconds: int, seed: int = 7) -> BarSeries:
    """Return bars with prices of seeded chance at the given openings."""
    chance = np.random.default_rng(seed)
    close = 100 + chance.normal(0, 0.1, len(opened_at)).cumsum()
    open_ = close + chance.normal(0, 0.05, len(opened_at))
    high = np.maximum(open_, close) + chance.random(len(opened_at))
    low = np.minimum(open_, close) - chance.random(len(opened_at))
    volume = chance.integers(0, 50, len(opened_at)).astype(np.float64)
    closed_at = opened_at + seconds * 1_000_000
    return BarSeries(opened_at, closed_at, open_, high, low, close, volume)


def assert_same(one: BarSeries, other: BarSeries) -> None:
    for field in fields(BarSeries):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def assert_equals_frame(found: BarSeries, expected: Any) -> None:
    """Compare with a pandas resample, indexed by the bucket's opening; volume to the last digit."""
    opened_at = expected.index.tz_convert("UTC").tz_localize(None).to_numpy()
    assert found.opened_at.tolist() == opened_at.astype("datetime64[us]").astype(int).tolist()
    for side in HOW:
        np.testing.assert_array_equal(getattr(found, side), expected[side].to_numpy())
    if "volume" in expected:
        np.testing.assert_allclose(found.volume, expected["volume"].to_numpy(), rtol=1e-12)
    else:
        assert np.isnan(found.volume).all()


def by_pandas(frame: Any, rule: str, **options: Any) -> Any:
    how = HOW | ({"volume": "sum"} if "volume" in frame else {})
    return frame.resample(rule, **options).agg(how).dropna(subset=["open"])


# --- recorded files, against pandas ----------------------------------------------------------


@pytest.mark.parametrize("target", [*RULES, "1d", "1w"])
def test_resample_when_crypto_minutes_equals_pandas(
    target: str, recorded_frame: RecordedFrame, recorded_bars: RecordedBars
) -> None:
    frame = recorded_frame("crypto/binance_BTCUSDT_1m").set_index("ts")
    options = {"closed": "left", "label": "left"} if target == "1w" else {}
    rule = {"1d": "1D", "1w": "W-MON"}.get(target) or RULES[target]
    bars = recorded_bars("crypto/binance_BTCUSDT_1m", "1m")
    found = resample(bars, M1, Timeframe.parse(target), calendar_named("24/7"), keep_partial=True)
    assert_equals_frame(found, by_pandas(frame, rule, **options))
    # Without a calendar the clock is the same; whole buckets leave the cut ends out.
    whole = resample(bars, M1, Timeframe.parse(target), None)
    first, last = bars.opened_at[0], bars.closed_at[-1]
    kept = (found.opened_at >= first) & (found.closed_at <= last)
    np.testing.assert_array_equal(whole.opened_at, found.opened_at[kept])
    np.testing.assert_array_equal(whole.close, found.close[kept])


@pytest.mark.parametrize("target", RULES)
def test_resample_when_nifty_minutes_equals_pandas_from_each_open(
    target: str, recorded_frame: RecordedFrame, recorded_bars: RecordedBars
) -> None:
    frame = recorded_frame("india/NIFTY_1m_2024").set_index("ts").tz_convert("Asia/Kolkata")
    found = resample(
        recorded_bars("india/NIFTY_1m_2024", "1m"),
        *(M1, Timeframe.parse(target), calendar_named("NSE")),
    )
    # The plain way: the regular session's minutes, in buckets counted from 09:15 in India. The
    # second parts of the two special Saturdays start at 11:30, an anchor of their own.
    regular = frame.between_time("09:15", "15:29")
    days = regular.index.date
    special = [datetime(2024, 3, 2).date(), datetime(2024, 5, 18).date()]
    late = np.isin(days, special) & (regular.index.hour * 60 + regular.index.minute >= 690)
    anchored = by_pandas(regular[~late], RULES[target], origin=_india("2024-01-01 09:15"))
    if target == "4h":
        anchored = by_pandas_per_day(regular[~late], "4h", "9h15min")
    after_break = by_pandas_per_day(regular[late], RULES[target], "11h30min")
    import pandas as pd  # noqa: PLC0415 - only here

    assert_equals_frame(found, pd.concat([anchored, after_break]).sort_index())


def by_pandas_per_day(frame: Any, rule: str, offset: str) -> Any:
    import pandas as pd  # noqa: PLC0415 - only here

    days = [by_pandas(day, rule, offset=offset) for _, day in frame.groupby(frame.index.date)]
    return pd.concat(days)


def _india(text: str) -> Any:
    import pandas as pd  # noqa: PLC0415 - only here

    return pd.Timestamp(text, tz="Asia/Kolkata")


@pytest.mark.parametrize("target", ["5m", "15m", "30m", "1h", "1d"])
def test_resample_when_spy_minutes_equals_pandas_on_the_regular_session(
    target: str, recorded_frame: RecordedFrame, recorded_bars: RecordedBars
) -> None:
    frame = recorded_frame("us_equity/SPY_1m_trade").set_index("ts").tz_convert("America/New_York")
    regular = frame.between_time("09:30", "15:59")
    rule = {"1d": "1D"}.get(target) or RULES[target]
    expected = by_pandas(regular, rule, **({} if target == "1d" else {"offset": "30min"}))
    found = resample(
        recorded_bars("us_equity/SPY_1m_trade", "1m"),
        *(M1, Timeframe.parse(target), calendar_named("NYSE")),
    )
    if target == "1d":  # labelled by the open
        import pandas as pd  # noqa: PLC0415 - only here

        expected.index = expected.index + pd.Timedelta("9h30min")
    assert_equals_frame(found, expected)


def test_resample_when_us_hours_on_the_clock_make_days_of_sessions(
    recorded_frame: RecordedFrame, recorded_bars: RecordedBars
) -> None:
    frame = recorded_frame("us_equity/AAPL_1h").set_index("ts").tz_convert("America/New_York")
    expected = by_pandas(frame, "1D")
    found = resample(recorded_bars("us_equity/AAPL_1h", "1h"), H1, D1, calendar_named("NYSE"))
    nyse = calendar_named("NYSE")
    assert nyse is not None
    hours = [nyse.session_of(day) for day in expected.index.date]
    assert [
        (from_micros(a), from_micros(b))
        for a, b in zip(found.opened_at, found.closed_at, strict=True)
    ] == (hours)
    # On 20 short days the file has an hour more: after a half day's close at 13:00, or before
    # NYSE's late opening on 11 September 2002. Those hours are outside the session.
    ours, theirs = ([getattr(one, side) for side in HOW] for one in (found, expected))
    differs = (np.array(ours) != np.array(theirs)).any(axis=0)
    short = np.array([closes - opens < timedelta(hours=6) for opens, closes in hours])
    assert (differs.sum(), (differs & ~short).sum()) == (20, 0)
    # And the days are those of the daily file, whose open and close are the same auctions.
    daily = recorded_bars("us_equity/AAPL_1d", "1d")
    assert len(found) == len(daily)
    assert (np.abs(found.close / daily.close - 1) < 0.01).mean() > 0.99


def test_resample_when_daily_makes_iso_weeks(
    recorded_frame: RecordedFrame, recorded_bars: RecordedBars
) -> None:
    frame = recorded_frame("us_equity/SPY_1d").set_index("ts")
    expected = by_pandas(frame, "W-MON", closed="left", label="left")
    bars = recorded_bars("us_equity/SPY_1d", "1d")
    found = resample(bars, D1, W1, calendar_named("NYSE"), keep_partial=True)
    assert_equals_frame(found, expected)
    assert {int(span) for span in found.closed_at - found.opened_at} == {7 * 86_400_000_000}


# --- edges -----------------------------------------------------------------------------------


def test_resample_when_shorter_or_uneven_refuses() -> None:
    bars = made_of(np.arange(10, dtype=np.int64) * MINUTE, 60)
    with pytest.raises(ResamplingError, match="5m bars do not make 1m bars"):
        resample(bars, M5, M1, None)
    with pytest.raises(ResamplingError, match="3m bars do not make 5m bars"):
        resample(bars, Timeframe.M3, M5, None)


def test_resample_when_empty_or_same_returns_it() -> None:
    bars = made_of(np.arange(10, dtype=np.int64) * MINUTE, 60)
    assert resample(bars, M1, M1, None) is bars
    assert len(resample(bars[:0], M1, M5, None)) == 0
    assert len(resample(bars[1:3], M1, M5, None)) == 0


def test_resample_when_ends_are_cut_keeps_whole_buckets_unless_asked() -> None:
    bars = made_of(np.arange(1, 19, dtype=np.int64) * MINUTE, 60)

    def opens(**options: Any) -> list[int]:
        return (resample(bars, M1, M5, None, **options).opened_at // MINUTE).tolist()

    assert opens() == [5, 10]
    assert opens(keep_partial=True) == [0, 5, 10, 15]
    # Minutes without a trade have no bar: who knows what was covered says so.
    assert opens(since=from_micros(0), until=from_micros(20 * MINUTE)) == [0, 5, 10, 15]


def test_resample_when_a_volume_is_not_measured_is_nan_there_only() -> None:
    bars = made_of(np.arange(10, dtype=np.int64) * MINUTE, 60)
    bars.volume[7] = np.nan
    assert np.isnan(resample(bars, M1, M5, None).volume).tolist() == [False, True]


def test_resample_when_half_day_cuts_the_last_bucket_at_the_close() -> None:
    nyse = calendar_named("NYSE")
    assert nyse is not None
    opened_at = nyse.expected_opens(M1, at("2024-07-03"), at("2024-07-04"))
    found = resample(made_of(opened_at, 60), M1, H4, nyse)
    assert [
        (from_micros(a), from_micros(b))
        for a, b in zip(found.opened_at, found.closed_at, strict=True)
    ] == [(at("2024-07-03T13:30"), at("2024-07-03T17:00"))]


def test_resample_when_outside_the_session_leaves_bars_out() -> None:
    nyse = calendar_named("NYSE")
    early = to_micros(at("2024-07-03T08:00"))
    opened_at = early + np.arange(540, dtype=np.int64) * MINUTE  # to the close at 17:00
    bars = made_of(opened_at, 60)
    found = resample(bars, M1, D1, nyse)
    assert found.opened_at.tolist() == [to_micros(at("2024-07-03T13:30"))]
    assert found.volume.tolist() == [bars.volume[330:].sum()]


CALENDARS = st.sampled_from(["", "24/7", "FX", "NYSE", "NSE"])
CHAINS = st.sampled_from(
    [
        *(("1m", "5m", "1h"), ("1m", "3m", "15m"), ("5m", "30m", "4h"), ("1m", "1h", "1d")),
        *(("15m", "1h", "1d"), ("1h", "1d", "1w"), ("1m", "15m", "1w")),
    ]
)


@settings(deadline=None, max_examples=60)
@given(
    CALENDARS, CHAINS, st.datetimes(datetime(2023, 1, 1), datetime(2024, 12, 1)), st.integers(0, 99)
)
def test_resample_when_by_way_of_another_timeframe_is_the_same(
    name: str, chain: tuple[str, str, str], start: datetime, seed: int
) -> None:
    source, middle, target = (Timeframe.parse(text) for text in chain)
    calendar: Calendar | None = calendar_named(name)
    clock = calendar_named(name or "24/7")
    assert clock is not None
    since = start.replace(tzinfo=UTC)
    until = since + max(target.length * 3, timedelta(days=4))
    opened_at = clock.expected_opens(source, since, until)
    # Some bars miss, as minutes without a trade do.
    kept = np.random.default_rng(seed).random(len(opened_at)) > 0.1
    bars = made_of(opened_at[kept], source.seconds, seed)
    span = {"since": since, "until": until}
    direct = resample(bars, source, target, calendar, **span)
    through = resample(
        resample(bars, source, middle, calendar, keep_partial=True),
        *(middle, target, calendar),
        **span,
    )
    for field in ("opened_at", "closed_at", "open", "high", "low", "close"):
        np.testing.assert_array_equal(getattr(direct, field), getattr(through, field))
    np.testing.assert_allclose(direct.volume, through.volume)
