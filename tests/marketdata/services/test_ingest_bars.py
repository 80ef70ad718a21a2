"""Bars are stored once, exactly; instants are sealed once, in rising order."""

import random
import struct
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import psycopg2
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import bus
from domain.bars import Bar as BarValue
from domain.bars import BarSeries, Timeframe, series_of, to_micros
from domain.events import Event, InstantSealed
from marketdata.models import Bar, DataRevision, Instrument, LateBar, Seal, Stream
from marketdata.services.ingest_bars import (
    COPY_FROM_ROWS,
    BadBarsError,
    SealOrderError,
    StoredBars,
    StreamBar,
    StreamBusyError,
    bars_of,
    seal_instant,
    seal_instants,
    store_bars,
    stream_writer_lock,
)

T0 = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def instrument(db: None) -> Instrument:
    return make_instrument("ONE")


def make_instrument(symbol: str) -> Instrument:
    return Instrument.objects.create(
        venue="TEST", symbol=symbol, tick_size=Decimal("0.01"), lot_size=Decimal(1)
    )


@pytest.fixture
def stream(instrument: Instrument) -> Stream:
    made = Stream.objects.create(
        name="minutes", kind="live", feed="none", timeframes=["1m"], sealed_to=T0
    )
    made.instruments.add(instrument)
    return made


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    events: list[Event] = []
    monkeypatch.setattr(bus, "_listeners", [events.extend])
    return events


def bar(minute: int = 0, close: float = 10.0, volume: float | None = 3.0) -> BarValue:
    opened_at = T0 + minute * MINUTE
    high, low = max(10.0, close) + 1, min(10.0, close) - 1
    return BarValue(opened_at, opened_at + MINUTE, 10.0, high, low, close, volume)


def many(count: int, seed: int = 1) -> BarSeries:
    chance = random.Random(seed)
    return series_of(
        [
            bar(
                minute,
                10 + chance.random(),
                chance.choice([None, chance.random() * 1e6]),
            )
            for minute in range(count)
        ]
    )


def stored(instrument: Instrument) -> list[tuple[object, ...]]:
    names = ("opened_at", "closed_at", "open", "high", "low", "close", "volume")
    rows = Bar.objects.filter(instrument=instrument, timeframe="1m").order_by("opened_at")
    return list(rows.values_list(*names))


def as_rows(bars: BarSeries) -> list[tuple[object, ...]]:
    return [
        (
            one.opened_at,
            one.closed_at,
            one.open,
            one.high,
            one.low,
            one.close,
            one.volume,
        )
        for one in bars_of(bars)
    ]


def keep(instrument: Instrument, bars: BarSeries) -> StoredBars:
    return store_bars(instrument_id=instrument.pk, timeframe=Timeframe.M1, bars=bars)


@pytest.mark.parametrize("count", [1, 300, COPY_FROM_ROWS - 1, COPY_FROM_ROWS, 5000])
def test_store_bars_when_either_way_is_taken_stores_the_same(
    instrument: Instrument, count: int
) -> None:
    assert keep(instrument, many(count)) == StoredBars(inserted=count)
    assert stored(instrument) == as_rows(many(count))


@pytest.mark.parametrize("count", [300, 5000])
def test_store_bars_when_twice_changes_nothing(instrument: Instrument, count: int) -> None:
    keep(instrument, many(count))
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(xmin::text::bigint), max(ctid) FROM marketdata_bar")
        before = cursor.fetchone()
    assert keep(instrument, many(count)) == StoredBars(unchanged=count)
    with connection.cursor() as cursor:
        cursor.execute("SELECT max(xmin::text::bigint), max(ctid) FROM marketdata_bar")
        assert cursor.fetchone() == before


@pytest.mark.parametrize("count", [300, 5000])
def test_store_bars_when_some_differ_corrects_those(instrument: Instrument, count: int) -> None:
    keep(instrument, many(count))
    changed = many(count + 10)
    changed.volume[5] = np.nan if not np.isnan(changed.volume[5]) else 1.0
    changed.close[7] = np.nextafter(changed.close[7], 0)
    assert keep(instrument, changed) == StoredBars(10, count - 2, 2)
    assert stored(instrument) == as_rows(changed)


def test_store_bars_when_any_float_keeps_every_bit(instrument: Instrument) -> None:
    tricky = [0.1, 1 / 3, 1e-7, 123456789.123456789, 5e-324, 9.99e14]
    for count in (len(tricky), COPY_FROM_ROWS):
        values = (tricky * count)[:count]
        series = series_of(
            [
                BarValue(T0 + n * MINUTE, T0 + (n + 1) * MINUTE, one, one, one, one, one)
                for n, one in enumerate(values)
            ]
        )
        keep(instrument, series)
        closes = [row[5] for row in stored(instrument)]
        assert [struct.pack("<d", one) for one in closes] == [
            struct.pack("<d", one) for one in values
        ]


@pytest.mark.parametrize("count", [300, 5000])
def test_store_bars_when_one_is_bad_stores_none(instrument: Instrument, count: int) -> None:
    bars = many(count)
    bars.high[count - 1] = 0.5
    with pytest.raises(BadBarsError, match=f"bar {count} of {count}: high is below low"):
        keep(instrument, bars)
    assert stored(instrument) == []


def test_store_bars_when_times_do_not_rise_refuses(instrument: Instrument) -> None:
    for bars in (series_of([bar(1), bar(0)]), series_of([bar(1), bar(1)])):
        with pytest.raises(BadBarsError, match="rising"):
            keep(instrument, bars)


def test_store_bars_when_empty_does_nothing(instrument: Instrument) -> None:
    assert keep(instrument, series_of([])) == StoredBars()


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_store_bars_when_split_anyhow_gives_the_same_table(
    instrument: Instrument, data: st.DataObject
) -> None:
    whole = many(12)
    parts = data.draw(st.lists(st.lists(st.integers(0, 11), unique=True).map(sorted), max_size=6))
    parts.append(list(range(12)))
    order = data.draw(st.permutations(parts))
    with transaction.atomic():
        for part in order:
            keep(instrument, series_of([bars_of(whole)[at] for at in part]))
        assert stored(instrument) == as_rows(whole)
        transaction.set_rollback(True)


def one(instrument: Instrument, minute: int = 0, close: float = 10.0) -> StreamBar:
    return StreamBar(instrument.pk, Timeframe.M1, bar(minute, close))


def seal(stream: Stream, minute: int, bars: list[StreamBar], lag_ms: int = 7) -> object:
    closed_at = T0 + (minute + 1) * MINUTE
    return seal_instant(stream_id=stream.pk, closed_at=closed_at, bars=bars, lag_ms=lag_ms)


def sealed(stream: Stream) -> list[tuple[datetime, int, int]]:
    rows = Seal.objects.filter(stream=stream).order_by("closed_at")
    return list(rows.values_list("closed_at", "bars", "lag_ms"))


def test_seal_instant_when_new_stores_bars_seal_and_event(
    stream: Stream, instrument: Instrument, heard: list[Event]
) -> None:
    outcome = seal(stream, 0, [one(instrument)])
    assert (outcome.is_new, outcome.stored, outcome.late) == (True, StoredBars(1), 0)
    stream.refresh_from_db()
    assert stream.sealed_to == T0 + MINUTE
    assert sealed(stream) == [(T0 + MINUTE, 1, 7)]
    assert stored(instrument) == as_rows(series_of([bar(0)]))
    assert heard == [InstantSealed(0, "minutes", T0 + MINUTE, 1)]


def test_seal_instant_when_twice_changes_nothing(
    stream: Stream, instrument: Instrument, heard: list[Event]
) -> None:
    seal(stream, 0, [one(instrument)])
    outcome = seal(stream, 0, [one(instrument)])
    assert (outcome.is_new, outcome.late) == (False, 0)
    assert (len(sealed(stream)), LateBar.objects.count(), len(heard)) == (1, 0, 1)


def test_seal_instant_when_bars_are_stored_already_only_seals(
    stream: Stream, instrument: Instrument
) -> None:
    keep(instrument, series_of([bar(0)]))
    assert seal(stream, 0, [one(instrument)]).stored == StoredBars(unchanged=1)


def test_seal_instant_when_bar_is_late_fills_the_hole_for_later_instants(
    stream: Stream, instrument: Instrument
) -> None:
    seal(stream, 1, [one(instrument, 1)])
    outcome = seal(stream, 2, [one(instrument, 2), one(instrument, 0), one(instrument, 1, 11.0)])
    assert (outcome.is_new, outcome.late) == (True, 2)
    assert stored(instrument) == as_rows(series_of([bar(0), bar(1), bar(2)]))
    known = Bar.objects.order_by("opened_at").values_list("known_at", flat=True)
    assert list(known) == [bar(1).closed_at, None, None]
    revision = DataRevision.objects.get()
    assert (revision.kind, revision.bars, revision.known_from) == (
        "backfilled",
        1,
        bar(1).closed_at,
    )
    late = LateBar.objects.order_by("opened_at").values_list("opened_at", "close")
    assert list(late) == [(T0, 10.0), (T0 + MINUTE, 11.0)]
    assert seal(stream, 0, [one(instrument, 0)]).late == 0


def test_seal_instant_when_older_than_the_last_seal_never_seals(
    stream: Stream, instrument: Instrument
) -> None:
    seal(stream, 5, [one(instrument, 5)])
    assert seal(stream, 3, [one(instrument, 3)]).is_new is False
    stream.refresh_from_db()
    assert (stream.sealed_to, len(sealed(stream))) == (T0 + 6 * MINUTE, 1)


@pytest.mark.parametrize("minute", [1, 3])
def test_seal_instant_when_a_bar_closes_elsewhere_stores_nothing(
    stream: Stream, instrument: Instrument, minute: int
) -> None:
    with pytest.raises(SealOrderError, match="its own bars"):
        seal(stream, 2, [one(instrument, 2), one(instrument, minute)])
    assert (stored(instrument), sealed(stream)) == ([], [])


def test_seal_instant_when_no_bar_refuses(stream: Stream) -> None:
    with pytest.raises(SealOrderError, match="nothing to seal"):
        seal(stream, 0, [])


def test_seal_instant_when_a_bar_is_bad_stores_nothing(
    stream: Stream, instrument: Instrument
) -> None:
    bad = StreamBar(instrument.pk, Timeframe.M1, bar(0, float("nan")))
    with pytest.raises(BadBarsError):
        seal(stream, 0, [one(make_instrument("TWO")), bad])
    assert (Bar.objects.count(), sealed(stream)) == (0, [])


def test_seal_instant_when_stream_was_moved_refuses(stream: Stream, instrument: Instrument) -> None:
    with pytest.raises(SealOrderError, match="was moved meanwhile"):
        seal_instant(
            stream_id=stream.pk,
            closed_at=T0 + MINUTE,
            bars=[one(instrument)],
            lag_ms=0,
            follows=T0 - MINUTE,
        )


def test_seal_instant_when_a_listener_fails_stores_nothing(
    stream: Stream, instrument: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(bus, "_listeners", [fail])
    with pytest.raises(RuntimeError):
        seal(stream, 0, [one(instrument)])
    assert (Bar.objects.count(), sealed(stream)) == (0, [])


def test_seal_instants_when_many_seals_the_new_ones_in_one_commit(
    stream: Stream, instrument: Instrument, heard: list[Event]
) -> None:
    keep(instrument, many(10))
    seal(stream, 2, [StreamBar(instrument.pk, Timeframe.M1, bars_of(many(10))[2])])
    instants = [(T0 + (n + 1) * MINUTE, 1) for n in range(10)]
    random.Random(5).shuffle(instants)
    assert seal_instants(stream_id=stream.pk, instants=instants) == 7
    assert seal_instants(stream_id=stream.pk, instants=instants) == 0
    stream.refresh_from_db()
    assert stream.sealed_to == T0 + 10 * MINUTE
    assert [at for at, _, _ in sealed(stream)] == [T0 + n * MINUTE for n in range(3, 11)]
    assert len(heard) == 8


def test_seal_instants_when_an_instant_is_empty_or_doubtful_seals_none(
    stream: Stream,
) -> None:
    for instants in ([(T0 + MINUTE, 0)], [(T0 + MINUTE, 1), (T0 + MINUTE, 2)]):
        with pytest.raises(SealOrderError):
            seal_instants(stream_id=stream.pk, instants=instants)
    assert sealed(stream) == []


def test_stream_writer_lock_when_another_session_holds_it_refuses(
    stream: Stream,
) -> None:
    other = psycopg2.connect(**connection.get_connection_params())
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(20017, %s)", [stream.pk])
        with pytest.raises(StreamBusyError), stream_writer_lock(stream.pk):
            pass
    finally:
        other.close()


def test_stream_writer_lock_when_left_is_free_again(stream: Stream) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), stream_writer_lock(stream.pk):
            raise KeyError
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_bars_of_when_columns_given_returns_them_back() -> None:
    series = series_of([bar(0), bar(1, volume=None)])
    assert bars_of(series) == [bar(0), bar(1, volume=None)]
    assert to_micros(bars_of(series)[0].opened_at) == series.opened_at[0]
