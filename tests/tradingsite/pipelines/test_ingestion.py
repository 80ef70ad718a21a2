"""Bars come in through one door, and come in again after every fault."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread

import psycopg2
import pytest
from django.db import connection, transaction
from redis import Redis

from domain.bars import Bar as BarValue
from domain.bars import Timeframe, series_of
from execution.models import Book
from marketdata.feeds.base import FeedBar, FeedInstant
from marketdata.feeds.sample_stocks import SampleStocksFeed
from marketdata.models import Account, Bar, Instrument, LateBar, Provider, Seal, Split, Stream
from marketdata.services.ingest_bars import (
    SealOrderError,
    StreamBusyError,
    seal_instants,
    store_bars,
)
from marketdata.services.load_sample import create_demo_stream, load_sample
from tradingsite import env
from tradingsite.management.commands.feed import deliver_all
from tradingsite.models import Alert
from tradingsite.pipelines.ingestion import (
    SEALS_AHEAD,
    IngestedHistory,
    UnknownStreamError,
    deliver,
    ingest_history,
    is_keeping_up,
    play_stream,
    run_feed,
)

ROOT = Path(__file__).resolve().parents[3]
T0 = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAYS = 30


def never() -> bool:
    """Return that nobody wants it to stop."""
    return False


def bar(minute: int) -> BarValue:
    opened_at = T0 + minute * MINUTE
    return BarValue(opened_at, opened_at + MINUTE, 10.0, 11.0, 9.0, 10.5, 1.0)


@transaction.atomic  # a running feed must not see it half made
def make_stream(*, bars: int = DAYS, pace: float = 0.0, **fields: object) -> Stream:
    """Return a replay stream of one-minute bars of two instruments."""
    stream = Stream.objects.create(
        **{
            "name": "minutes",
            "kind": "replay",
            "feed": "replay",
            "timeframes": ["1m"],
            "sealed_to": T0,
            "pace_seconds": pace,
            **fields,
        }
    )
    for symbol in ("ONE", "TWO"):
        instrument = Instrument.objects.create(
            venue="TEST", symbol=symbol, tick_size=Decimal("0.01"), lot_size=Decimal(1)
        )
        stream.instruments.add(instrument)
        series = series_of([bar(minute) for minute in range(bars)])
        store_bars(instrument_id=instrument.pk, timeframe=Timeframe.M1, bars=series)
    return stream


def make_account(stream: Stream, name: str = "paper") -> Account:
    """Return an account that has decided everything sealed so far."""
    account = Account.objects.create(name=name, stream=stream)
    Book.objects.create(
        account=account,
        cash=Decimal(1000),
        peak_equity=Decimal(1000),
        settled_to=stream.sealed_to,
        decided_to=stream.sealed_to,
    )
    return account


def instant(minute: int, *symbols: str) -> FeedInstant:
    """Return the instant that closes the minute."""
    bars = tuple(FeedBar("TEST", symbol, Timeframe.M1, bar(minute)) for symbol in symbols)
    return FeedInstant(T0 + (minute + 1) * MINUTE, bars)


def seals() -> list[tuple[datetime, int, int]]:
    return list(Seal.objects.order_by("closed_at").values_list("closed_at", "bars", "lag_ms"))


EVERY_SEAL = [(T0 + (minute + 1) * MINUTE, 2, 0) for minute in range(DAYS)]


@pytest.fixture
def messages() -> Iterator[Callable[[], int]]:
    """Return a function that counts the messages on the trading lane."""
    with Redis.from_url(env.redis_url()) as redis:
        redis.delete("signals")
        yield lambda: redis.llen("signals")
        redis.delete("signals")


@pytest.fixture
def replay_streams(transactional_db: None) -> Callable[..., Stream]:
    """Return a maker of replay streams whose rows other connections see."""
    return make_stream


def test_deliver_when_new_seals_and_wakes_only_idle_accounts(
    replay_streams: Callable[..., Stream], messages: Callable[[], int]
) -> None:
    stream = replay_streams()
    make_account(stream, "idle")
    deliver(stream, instant(0, "ONE", "TWO"))
    assert (seals(), messages()) == ([(T0 + MINUTE, 2, 0)], 1)
    deliver(stream, instant(1, "ONE", "TWO"))
    assert messages() == 1, "an account that is behind looks anyway"
    Book.objects.update(decided_to=T0 + 2 * MINUTE)
    deliver(stream, instant(2, "ONE"))
    assert (messages(), seals()[-1][1]) == (2, 1)


def test_deliver_when_the_stream_was_moved_refuses(db: None) -> None:
    stream = make_stream()
    seal_instants(stream_id=stream.pk, instants=[(T0 + 5 * MINUTE, 2)])
    with pytest.raises(SealOrderError):
        deliver(stream, instant(5, "ONE"))


def test_deliver_when_live_measures_the_lag(db: None) -> None:
    stream = make_stream(kind="live")
    deliver(stream, instant(0, "ONE"))
    age = (datetime.now(UTC) - T0 - MINUTE).total_seconds() * 1000
    assert seals()[0][2] == pytest.approx(age, abs=10_000)


def test_deliver_when_bars_are_not_the_streams_drops_them(db: None) -> None:
    stream = make_stream(bars=0)
    foreign = FeedBar("TEST", "THREE", Timeframe.M1, bar(0))
    longer = FeedBar("TEST", "ONE", Timeframe.M5, bar(0))
    ours = instant(0, "ONE").bars
    deliver(stream, FeedInstant(T0 + MINUTE, (*ours, foreign, longer)))
    assert (Bar.objects.count(), seals()[0][1]) == (1, 1)


def test_play_stream_when_played_to_the_end_says_so(db: None) -> None:
    stream = make_stream()
    assert play_stream("minutes", never) is True
    stream.refresh_from_db()
    assert (seals(), stream.is_finished, stream.sealed_to) == (
        EVERY_SEAL,
        True,
        T0 + DAYS * MINUTE,
    )
    assert stream.heartbeat_at is not None
    alert = Alert.objects.get()
    assert (alert.kind, alert.object, alert.cleared_at) == (
        "replay_finished",
        "minutes",
        None,
    )
    assert "manage.py fresh_start" in alert.message
    assert play_stream("minutes", never) is True
    assert (len(seals()), Alert.objects.count()) == (DAYS, 1)


def test_play_stream_when_it_has_an_end_finishes_there(db: None) -> None:
    make_stream(ends_at=T0 + 3 * MINUTE)
    assert play_stream("minutes", never) is True
    assert seals() == EVERY_SEAL[:3]


def test_play_stream_when_stopped_is_not_finished_and_goes_on_later(db: None) -> None:
    stream = make_stream(pace=30.0)
    assert play_stream("minutes", lambda: Seal.objects.count() > 0) is True
    stream.refresh_from_db()
    assert (len(seals()), stream.is_finished) == (1, False)
    Stream.objects.update(pace_seconds=0.0)
    play_stream("minutes", never)
    assert seals() == EVERY_SEAL


def test_play_stream_when_edited_ends_early_to_be_read_again(db: None) -> None:
    make_stream(pace=0.3)
    looks = 0

    def edit_once() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            Stream.objects.update(pace_seconds=0.0)
        return False

    assert play_stream("minutes", edit_once) is False
    assert 0 < len(seals()) < DAYS
    assert play_stream("minutes", edit_once) is True
    assert seals() == EVERY_SEAL


def test_play_stream_when_an_instrument_is_added_ends_early_to_be_read_again(db: None) -> None:
    stream = make_stream(pace=0.3)
    other = Instrument.objects.create(venue="LAB", symbol="NEW", tick_size=1, lot_size=1)
    looks = 0

    def add_once() -> bool:
        nonlocal looks
        looks += 1
        if looks == 3:
            stream.instruments.add(other)
        return looks > 400

    assert play_stream("minutes", add_once) is False
    assert looks < 400


def test_play_stream_when_unknown_refuses(db: None) -> None:
    with pytest.raises(UnknownStreamError):
        play_stream("nowhere", never)


def test_play_stream_when_another_process_writes_refuses(db: None) -> None:
    stream = make_stream()
    other = psycopg2.connect(**connection.get_connection_params())
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(20017, %s)", [stream.pk])
        with pytest.raises(StreamBusyError):
            play_stream("minutes", never)
    finally:
        other.close()
    assert seals() == []


def test_is_keeping_up_when_an_account_falls_behind_holds_the_replay(db: None) -> None:
    stream = make_stream(bars=SEALS_AHEAD + 1)
    assert is_keeping_up(stream.pk) is True
    make_account(stream)
    instants = [(T0 + (n + 1) * MINUTE, 2) for n in range(SEALS_AHEAD)]
    seal_instants(stream_id=stream.pk, instants=instants[:-1])
    assert is_keeping_up(stream.pk) is True
    seal_instants(stream_id=stream.pk, instants=instants)
    assert is_keeping_up(stream.pk) is False
    Book.objects.update(decided_to=T0 + MINUTE)
    assert is_keeping_up(stream.pk) is True


def wait_until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something another thread or process does; fails after `seconds`."""
    ends = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.05)


def test_run_feed_when_its_session_is_killed_again_and_again_seals_each_instant_once(
    replay_streams: Callable[..., Stream],
) -> None:
    replay_streams(pace=0.1)
    feed = Thread(target=run_feed, args=("minutes", never), daemon=True)
    feed.start()
    for wanted in (3, 10, 20):
        wait_until(lambda wanted=wanted: Seal.objects.count() >= wanted)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            assert cursor.fetchall()
    feed.join(30)
    assert not feed.is_alive()
    assert seals() == EVERY_SEAL


def test_run_feed_when_the_stream_is_unknown_ends(transactional_db: None) -> None:
    run_feed("nowhere", never)


def test_deliver_all_when_streams_come_and_end_idles_until_stopped(
    replay_streams: Callable[..., Stream],
) -> None:
    stop = Event()
    feed = Thread(target=deliver_all, args=(stop,), daemon=True)
    feed.start()
    replay_streams()
    wait_until(lambda: Stream.objects.filter(is_finished=True).exists())
    assert (feed.is_alive(), seals()) == (True, EVERY_SEAL)
    stop.set()
    feed.join(10)
    assert not feed.is_alive()


def test_feed_when_told_to_end_leaves_in_order(
    replay_streams: Callable[..., Stream],
) -> None:
    stream = replay_streams(pace=0.05)
    name = connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", "feed"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
            "DATABASE_URL": env.with_database_name(env.database_url(), name),
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: Seal.objects.count() >= 2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "feed stopped" in said
    assert "Traceback" not in said
    stream.refresh_from_db()
    count = Seal.objects.count()
    assert (seals(), stream.sealed_to) == (EVERY_SEAL[:count], T0 + count * MINUTE)


def demo() -> Stream:
    load_sample()
    return create_demo_stream()


def test_ingest_history_when_all_is_stored_brings_nothing(db: None) -> None:
    demo()
    assert ingest_history() == IngestedHistory(0, 0, 0)


def test_ingest_history_when_nothing_is_stored_brings_everything(db: None) -> None:
    stream = make_stream(bars=0, name="fresh", feed="sample_stocks", timeframes=["1d"])
    stream.instruments.all().delete()
    for one in SampleStocksFeed().instruments():
        stream.instruments.create(
            venue=one.venue,
            symbol=one.symbol,
            tick_size=one.tick_size,
            lot_size=one.lot_size,
        )
    assert ingest_history("fresh") == IngestedHistory(12_154, 0, 3)
    assert ingest_history("fresh") == IngestedHistory(0, 0, 0)


def test_ingest_history_when_the_newest_is_missing_brings_just_that(db: None) -> None:
    demo()
    Bar.objects.filter(opened_at__gte=datetime(2013, 2, 1, tzinfo=UTC)).delete()
    assert ingest_history() == IngestedHistory(20 * 5, 0, 0)


def test_ingest_history_when_the_instant_was_sealed_counts_bars_from_now_on(db: None) -> None:
    stream = demo()
    gone = datetime(2012, 12, 31, tzinfo=UTC)
    Bar.objects.filter(instrument__symbol="IBM", opened_at__gte=gone).delete()
    seal_instants(stream_id=stream.pk, instants=[(datetime(2013, 1, 1, tzinfo=UTC), 4)])
    found = ingest_history()
    assert (found.late, LateBar.objects.get().opened_at) == (1, gone)
    assert found.inserted == 41
    filled = Bar.objects.get(instrument__symbol="IBM", opened_at=gone)
    assert filled.known_at == datetime(2013, 1, 1, tzinfo=UTC)


def test_ingest_history_when_a_split_lies_behind_the_desk_asks_a_person(
    db: None,
) -> None:
    stream = demo()
    Split.objects.filter(effective_at__year=2005).delete()
    seal_instants(stream_id=stream.pk, instants=[(datetime(2006, 1, 4, tzinfo=UTC), 4)])
    assert ingest_history() == IngestedHistory(0, 0, 0)
    assert (Split.objects.count(), Alert.objects.get().kind) == (2, "late_split")


def test_ingest_history_when_a_split_lies_ahead_stores_it(db: None) -> None:
    stream = demo()
    Split.objects.filter(effective_at__year=2005).delete()
    seal_instants(stream_id=stream.pk, instants=[(datetime(2004, 1, 6, tzinfo=UTC), 4)])
    assert ingest_history("demo") == IngestedHistory(0, 0, 1)


def test_ingest_history_when_the_stream_has_providers_leaves_it_to_its_feed(db: None) -> None:
    stream = make_stream(kind="live", feed="websocket")
    stream.providers.add(Provider.objects.create(name="bridge", feed="websocket"))
    assert ingest_history("minutes") == IngestedHistory(0, 0, 0)


def test_ingest_history_when_the_stream_is_unknown_refuses(db: None) -> None:
    with pytest.raises(UnknownStreamError):
        ingest_history("nowhere")
