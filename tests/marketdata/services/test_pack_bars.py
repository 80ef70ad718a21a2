"""Windows are the same whether bars are packed or not, and whatever happened since."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bars import Bar as BarValue
from domain.bars import BarSeries, Timeframe, series_of
from marketdata.models import Bar, BarChunk, Instrument, Stream
from marketdata.packed_bars import BARS_PER_CHUNK
from marketdata.queries import bars_window, bars_windows
from marketdata.services.ingest_bars import seal_instants, store_bars
from marketdata.services.pack_bars import pack_bars

pytestmark = pytest.mark.django_db

T0 = datetime(2023, 12, 31, 22, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COLUMNS = ("opened_at", "closed_at", "open", "high", "low", "close", "volume")


def make(symbol: str) -> Instrument:
    return Instrument.objects.create(venue="TEST", symbol=symbol, tick_size=1, lot_size=1)


def bar(at: int, close: float = 10.0) -> BarValue:
    opened = T0 + at * MINUTE
    volume = None if at % 3 == 0 else float(at)
    return BarValue(opened, opened + MINUTE, 10.0, 11.0, 9.0, close, volume)


def store(instrument: Instrument, *bars: BarValue) -> None:
    series = series_of(sorted(bars, key=lambda one: one.opened_at))
    store_bars(instrument_id=instrument.pk, timeframe=Timeframe.M1, bars=series)


def windows(ids: list[int], as_of: datetime, count: int) -> dict[int, list[list[float]]]:
    found = bars_windows(instrument_ids=ids, timeframe=Timeframe.M1, as_of=as_of, count=count)
    return {key: plain(series) for key, series in found.items()}


def plain(series: BarSeries) -> list[list[float]]:
    columns = (getattr(series, name).tolist() for name in COLUMNS)
    return [[-1.0 if value != value else value for value in one] for one in columns]  # noqa: PLR0124


def expected(instrument: Instrument, as_of: datetime, count: int) -> list[list[float]]:
    whole = bars_window(instrument_id=instrument.pk, timeframe=Timeframe.M1, as_of=as_of)
    return plain(whole[max(0, len(whole) - count) :])


def test_windows_when_packed_over_a_year_end_are_as_unpacked(db: None) -> None:
    one, two, none = make("ONE"), make("TWO"), make("NONE")
    store(one, *(bar(at) for at in range(300)))
    store(two, *(bar(at, 9.5) for at in range(0, 300, 7)))
    as_of = T0 + 290 * MINUTE
    ids = [one.pk, two.pk, none.pk]
    before = windows(ids, as_of, 200)
    assert pack_bars(instrument_id=one.pk, timeframe=Timeframe.M1) == 300 // BARS_PER_CHUNK
    assert pack_bars(instrument_id=two.pk, timeframe=Timeframe.M1) == 0
    assert windows(ids, as_of, 200) == before
    assert before == {
        one.pk: expected(one, as_of, 200),
        two.pk: expected(two, as_of, 200),
        none.pk: [[] for _ in COLUMNS],
    }


def test_windows_when_a_packed_bar_is_corrected_show_the_new_value(db: None) -> None:
    one = make("ONE")
    store(one, *(bar(at) for at in range(300)))
    pack_bars(instrument_id=one.pk, timeframe=Timeframe.M1)
    store(one, bar(100, 10.5))
    assert BarChunk.objects.count() == 100 // BARS_PER_CHUNK
    as_of = T0 + 300 * MINUTE
    assert windows([one.pk], as_of, 250) == {one.pk: expected(one, as_of, 250)}
    Bar.objects.filter(opened_at=bar(3).opened_at).update(close=10.75)
    assert BarChunk.objects.count() == 0


def test_windows_when_a_bar_came_late_hold_it_only_for_later_instants(db: None) -> None:
    one = make("ONE")
    stream = Stream.objects.create(
        name="live", kind="live", feed="replay", timeframes=["1m"], sealed_to=T0
    )
    stream.instruments.add(one)
    store(one, *(bar(at) for at in range(300) if at != 20))
    seal_instants(stream_id=stream.pk, instants=[(T0 + 90 * MINUTE, 1)])
    store(one, bar(20))
    assert Bar.objects.get(opened_at=bar(20).opened_at).known_at == T0 + 90 * MINUTE
    pack_bars(instrument_id=one.pk, timeframe=Timeframe.M1)
    sizes = list(BarChunk.objects.values_list("bars", flat=True))
    assert sizes == [128, 64, 64]
    for minutes in (60, 90, 91, 200, 300):
        as_of = T0 + minutes * MINUTE
        found = windows([one.pk], as_of, 400)
        assert found == {one.pk: expected(one, as_of, 400)}
        has_it = T0.timestamp() * 1e6 + 20 * 60e6 in found[one.pk][0]
        assert has_it == (minutes > 90)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    parts=st.lists(
        st.lists(st.integers(0, 260), min_size=1, max_size=90, unique=True), min_size=1, max_size=4
    ),
    count=st.integers(1, 300),
    until=st.integers(1, 261),
)
def test_windows_when_stored_and_packed_in_any_order_are_right(
    db: None, parts: list[list[int]], count: int, until: int
) -> None:
    one = make(f"X{Instrument.objects.count()}")
    for number, part in enumerate(parts):
        store(one, *(bar(at, 9.0 + number / 8) for at in part))
        pack_bars(instrument_id=one.pk, timeframe=Timeframe.M1)
    as_of = T0 + until * MINUTE
    assert windows([one.pk], as_of, count) == {one.pk: expected(one, as_of, count)}
    assert np.isclose(sum(BarChunk.objects.values_list("bars", flat=True)) % BARS_PER_CHUNK, 0)
