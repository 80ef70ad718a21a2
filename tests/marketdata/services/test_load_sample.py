"""The demo loads once, and its stream plays the rest in a working day."""

from datetime import UTC, datetime

import pytest

from marketdata.models import Bar, Instrument, Seal, Split, Stream
from marketdata.services.ingest_bars import StoredBars
from marketdata.services.load_sample import (
    LoadedSample,
    create_demo_stream,
    load_sample,
)
from marketdata.services.replay_bars import stored_instants

pytestmark = pytest.mark.django_db
BARS = 3270 * 3 + 2148 + 196


def test_load_sample_when_first_and_again_stores_once() -> None:
    assert load_sample() == LoadedSample(5, StoredBars(inserted=BARS), 3)
    assert load_sample() == LoadedSample(0, StoredBars(unchanged=BARS), 0)
    assert (Instrument.objects.count(), Bar.objects.count()) == (5, BARS)
    splits = Split.objects.order_by("effective_at").values_list(
        "instrument__symbol", "effective_at__date", "ratio"
    )
    assert [(symbol, str(day), ratio) for symbol, day, ratio in splits] == [
        *(
            ("AAPL", "2000-06-21", 2),
            ("MSFT", "2003-02-18", 2),
            ("AAPL", "2005-02-28", 2),
        ),
    ]


def test_create_demo_stream_when_loaded_lasts_a_working_day() -> None:
    load_sample()
    stream = create_demo_stream()
    assert (stream.kind, stream.feed, stream.timeframes) == (
        "replay",
        "sample_stocks",
        ["1d"],
    )
    assert stream.instruments.count() == 5
    assert stream.sealed_to == datetime(2002, 1, 1, tzinfo=UTC)
    assert stream.ends_at == datetime(2013, 3, 2, tzinfo=UTC)
    closes = Bar.objects.filter(closed_at__gt=stream.fast_until).values("closed_at").distinct()
    assert closes.count() * stream.pace_seconds == pytest.approx(8 * 3600, rel=0.01)
    assert Seal.objects.count() == 0


def test_create_demo_stream_when_it_exists_leaves_it_alone() -> None:
    load_sample()
    Stream.objects.filter(pk=create_demo_stream().pk).update(pace_seconds=1.5)
    again = create_demo_stream()
    assert (again.pace_seconds, Stream.objects.count()) == (1.5, 1)


def test_stored_instants_when_read_in_any_step_returns_all_once_in_order() -> None:
    load_sample()
    stream = create_demo_stream()
    after, played = datetime(2012, 5, 10, tzinfo=UTC), []
    while batch := stored_instants(stream=stream, after=after, limit=7):
        played += batch
        after = batch[-1].closed_at
    closes = [one.closed_at for one in played]
    expected = Bar.objects.filter(closed_at__gt=datetime(2012, 5, 10, tzinfo=UTC))
    assert closes == sorted(set(expected.values_list("closed_at", flat=True)))
    assert sum(len(one.bars) for one in played) == expected.count()
    assert all(bar.bar.closed_at == one.closed_at for one in played for bar in one.bars)
    assert [bar.symbol for bar in played[0].bars] == ["AAPL", "GOOG", "MSFT", "IBM"]
    assert [bar.symbol for bar in played[-1].bars] == [
        "AAPL",
        "FB",
        "GOOG",
        "MSFT",
        "IBM",
    ]
