"""Longer bars made instant by instant equal those resampled from the whole day at once."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from domain.bars import Bar, BarSeries, Timeframe, series_of, to_micros
from marketdata.calendars import calendar_named
from marketdata.models import Instrument
from marketdata.resampling import resample
from marketdata.services.ingest_bars import bars_of, store_bars
from tradingsite.pipelines.longer_bars import LongerBars

pytestmark = pytest.mark.django_db

MINUTE = 60_000_000
FRAMES = (Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.D1)


def micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


def make_instrument(symbol: str = "ONE") -> int:
    return Instrument.objects.create(
        venue="LAB", symbol=symbol, tick_size=Decimal("0.01"), lot_size=Decimal(1)
    ).pk


def minutes_of(opened_at: list[int], seed: int = 3) -> BarSeries:
    """Return minutes of whole volumes, so that sums are exact."""
    rng = np.random.default_rng(seed)
    opened = np.array(opened_at, dtype=np.int64)
    close = np.round(100 + np.cumsum(rng.normal(0, 0.1, len(opened))), 2)
    open_ = np.roll(close, 1)
    return BarSeries(
        *(opened, opened + MINUTE, open_, np.maximum(open_, close) + 0.05),
        *(np.minimum(open_, close) - 0.05, close, rng.integers(1, 99, len(opened)).astype(float)),
    )


def nobody(opened_at: int, closed_at: int) -> set[int]:
    return set()


def step_through(
    longer: LongerBars, instrument: int, minutes: BarSeries, closings: list[int]
) -> dict[Timeframe, list[Bar]]:
    """Store and ask minute by minute; return what was made of each timeframe."""
    by_close = {to_micros(bar.closed_at): bar for bar in bars_of(minutes)}
    made: dict[Timeframe, list[Bar]] = {one: [] for one in FRAMES}
    for closed_at in closings:
        base = {instrument: by_close[closed_at]} if closed_at in by_close else {}
        for (_, timeframe), bar in longer.closing_at(closed_at, base).items():
            made[timeframe].append(bar)
        for timeframe in FRAMES:
            if made[timeframe] and to_micros(made[timeframe][-1].closed_at) == closed_at:
                last = made[timeframe][-1:]
                store_bars(instrument_id=instrument, timeframe=timeframe, bars=series_of(last))
    return made


@pytest.mark.parametrize(
    ("calendar", "first", "count"),
    [
        ("NSE", "2024-03-01T03:45", 375),
        ("NSE", "2024-03-02T03:45", 195),  # a Saturday in two parts
        ("NYSE", "2024-07-03T13:30", 210),  # a half day
        ("", "2024-03-01T00:00", 1440),
    ],
)
def test_longer_bars_when_made_step_by_step_equal_the_whole_day(
    calendar: str, first: str, count: int
) -> None:
    instrument = make_instrument()
    begin = micros(first)
    closings = [begin + (minute + 1) * MINUTE for minute in range(count)]
    market = calendar_named(calendar)
    silent = {5, 6, 7, 59, 60, count - 1}  # minutes without a trade, the last one too
    opened = [
        closed - MINUTE
        for place, closed in enumerate(closings)
        if place not in silent
        and (market is None or market.is_open(datetime.fromtimestamp((closed - MINUTE) / 1e6, UTC)))
    ]
    minutes = minutes_of(opened)
    longer = LongerBars({instrument: calendar}, FRAMES, known_from=begin, unknown_in=nobody)
    made = step_through(longer, instrument, minutes, closings)
    for timeframe in FRAMES[1:]:
        whole = resample(minutes, Timeframe.M1, timeframe, market, keep_partial=True)
        assert made[timeframe] == bars_of(whole), timeframe


def test_longer_bar_when_a_part_is_unknown_is_left_out() -> None:
    instrument, other = make_instrument(), make_instrument("TWO")
    begin = micros("2024-03-01T10:00")
    minutes = minutes_of([begin + minute * MINUTE for minute in range(4)])
    for one in (instrument, other):
        store_bars(instrument_id=one, timeframe=Timeframe.M1, bars=minutes)
    asked = []

    def unknown(opened_at: int, closed_at: int) -> set[int]:
        asked.append((opened_at, closed_at))
        return {other}

    longer = LongerBars(
        {instrument: "", other: ""}, FRAMES[:2], known_from=begin, unknown_in=unknown
    )
    made = longer.closing_at(begin + 5 * MINUTE, {})
    assert set(made) == {(instrument, Timeframe.M5)}
    assert asked == [(begin, begin + 5 * MINUTE)]


@pytest.mark.parametrize(("stored_from", "is_made"), [(0, True), (1, False)])
def test_longer_bar_when_the_stream_began_inside_needs_the_minutes_before(
    stored_from: int, is_made: bool
) -> None:
    instrument = make_instrument()
    begin = micros("2024-03-01T10:00")
    minutes = minutes_of([begin + minute * MINUTE for minute in range(stored_from, 5)])
    store_bars(instrument_id=instrument, timeframe=Timeframe.M1, bars=minutes)
    longer = LongerBars(
        {instrument: ""}, FRAMES[:2], known_from=begin + 3 * MINUTE, unknown_in=nobody
    )
    made = longer.closing_at(begin + 5 * MINUTE, {})
    assert bool(made) is is_made


def test_longer_bars_when_nothing_closes_ask_nothing(
    django_assert_num_queries: object,
) -> None:
    instrument = make_instrument()
    longer = LongerBars({instrument: ""}, FRAMES, known_from=0, unknown_in=nobody)
    at = micros("2024-03-01T10:01")
    bar = bars_of(minutes_of([at - MINUTE]))[0]
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert longer.closing_at(at, {instrument: bar}) == {(instrument, Timeframe.M1): bar}
