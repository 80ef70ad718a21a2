"""Live streams on a fast clock: lost connections, lost frames, no history, polling, bad ticks."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest
from django.db import connection
from redis import Redis

from domain.bars import Bar as BarValue
from domain.bars import Timeframe, from_micros, to_micros
from marketdata.models import Bar, DataGap, LateBar, Seal, Stream, Tick
from marketdata.services.publish_quotes import newest_quotes
from marketdata.services.tick_stream import PREFIX, TickStream
from tests.marketdata.feeds.tick_server import TickServer, running_tick_server, tick_message
from tests.tradingsite.pipelines.fast_desk import (
    MINUTE,
    FastClock,
    TickPlayer,
    make_stream,
    reference_bars,
    seeded_ticks,
    stored_bars,
    write_history,
)
from tradingsite import env
from tradingsite.monitoring.tick_counts import tick_counts
from tradingsite.pipelines.ingestion import run_feed
from tradingsite.pipelines.live_feed import LiveFeedError
from tradingsite.pipelines.live_plan import live_plan
from tradingsite.pipelines.tick_bars import TickBars

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(200)]

SPEED = 20
SECOND = 1_000_000


class Desk:
    """A live stream of three instruments, its tick server, and its clock."""

    def __init__(self, server: TickServer, folder: Path, clock: FastClock, redis: Redis) -> None:
        self.server, self.folder, self.clock, self.redis = server, folder, clock, redis
        self.begin = clock.shown // 1000
        self.stream, self.ids = make_stream(server, folder, self.begin)
        self.ticks = seeded_ticks(self.begin, 100, self.ids, seed=23)
        self.minutes = reference_bars(self.ticks, Timeframe.M1)
        self.player = TickPlayer(server, clock, self.ticks, self.ids)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the stream's feed in a thread of this process."""
        stop = Event()
        thread = Thread(target=run_feed, args=(self.stream.name, stop.is_set))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
            connection.close()

    def wait(self, happened: Callable[[], bool], seconds: float = 60) -> None:
        """Return once it has happened."""
        ends = time.monotonic() + seconds
        while not happened():
            assert time.monotonic() < ends, "did not happen in time"
            time.sleep(0.02)

    def wait_for_bars(self, count: int, source: str = "bridge", timeframe: str = "1m") -> None:
        """Return once the provider has made so many more closing instants."""
        made = Bar.objects.filter(source__name=source, timeframe=timeframe).values("closed_at")
        before = made.distinct().count()
        self.wait(lambda: made.distinct().count() >= before + count)

    @property
    def sealed_to(self) -> int:
        return to_micros(Stream.objects.get().sealed_to)

    def expected(self, timeframe: Timeframe = Timeframe.M1) -> dict[tuple[int, int], BarValue]:
        """Return the reference up to the last seal."""
        bars = reference_bars(self.ticks, timeframe)
        return {key: bar for key, bar in bars.items() if key[1] <= self.sealed_to}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Return a desk whose clock runs fast, with history of every minute."""
    began, real = time.time_ns(), time.time_ns
    shown = (began // 1000 - 200 * MINUTE) // (5 * MINUTE) * (5 * MINUTE)
    clock = FastClock(began, shown * 1000, SPEED)
    monkeypatch.setattr(FastClock, "real", staticmethod(real))
    monkeypatch.setattr(time, "time_ns", lambda: shown * 1000 + (real() - began) * SPEED)
    with running_tick_server() as server, Redis.from_url(env.redis_url()) as redis:
        made = Desk(server, tmp_path, clock, redis)
        for key in redis.scan_iter(match="plumbline:*"):
            redis.delete(key)
        write_history(tmp_path, made.ids, made.minutes)
        yield made
        made.player.stop.set()


def test_connection_when_lost_is_filled_from_history_before_later_instants(desk: Desk) -> None:
    desk.player.start()
    with desk.running():
        desk.wait_for_bars(2)
        desk.server.refuses = True
        desk.server.drop()
        lost = desk.clock.micros()
        desk.clock.wait_until(lost + MINUTE + MINUTE // 2)
        desk.server.refuses = False
        desk.wait_for_bars(2)
        desk.wait(lambda: desk.sealed_to >= lost + 3 * MINUTE)
    assert stored_bars(Timeframe.M1) == desk.expected()
    assert stored_bars(Timeframe.M5) == desk.expected(Timeframe.M5)
    in_order = list(Seal.objects.order_by("pk").values_list("closed_at", flat=True))
    assert in_order == sorted(in_order)
    holed = from_micros(lost - lost % MINUTE + MINUTE)
    sources = set(
        Bar.objects.filter(timeframe="1m", closed_at=holed).values_list("source__name", flat=True)
    )
    assert sources == {"archive"}
    assert not LateBar.objects.exists()


def test_frames_when_redis_has_lost_them_are_history(desk: Desk) -> None:
    desk.player.start()
    with desk.running():
        desk.wait_for_bars(1)
    assert Stream.objects.get().tick_cursor
    desk.redis.delete(f"{PREFIX}{desk.stream.pk}")
    with desk.running():
        desk.wait_for_bars(1)
    assert stored_bars(Timeframe.M1) == desk.expected()


def test_restart_when_frames_are_kept_builds_the_open_bar_anew(desk: Desk) -> None:
    """Only the frames know the bar that was open: no history, no marks of a lost connection."""
    frames = TickStream(desk.redis, desk.stream.pk)
    frames.write_joined(desk.begin - MINUTE)
    two = desk.ticks[desk.ticks["ts"] < desk.begin + 2 * MINUTE]
    one = int((two["ts"] < desk.begin + MINUTE + 30 * SECOND).sum())
    desk.clock.wait_until(desk.begin + 2 * MINUTE)
    frames.write(two[:one], desk.clock.micros())
    # The connection lasts: what a second reader of the same stream must see.
    first = live_bars(desk, frames, cursor="", sealed_to=desk.begin - 2 * MINUTE)
    first.read(wait_ms=1)
    closed_at = desk.begin + MINUTE
    assert first.is_whole(closed_at)
    made = first.close(closed_at)
    cursor = first.cursor(closed_at)
    frames.acknowledge(cursor)
    frames.write(two[one:], desk.clock.micros())
    second = live_bars(desk, frames, cursor=cursor, sealed_to=closed_at)
    second.read(wait_ms=1)
    assert second.is_whole(closed_at + MINUTE)
    made_then = second.close(closed_at + MINUTE)
    found = {(number, to_micros(bar.closed_at)): bar for number, bar in made.items()}
    found |= {(number, to_micros(bar.closed_at)): bar for number, bar in made_then.items()}
    until = desk.begin + 2 * MINUTE
    assert found == {key: bar for key, bar in desk.minutes.items() if key[1] <= until}


def live_bars(desk: Desk, frames: TickStream, *, cursor: str, sealed_to: int) -> TickBars:
    """Return a reader of the stream's frames."""
    return TickBars(
        frames,
        instruments=list(desk.ids.values()),
        timeframe=Timeframe.M1,
        cursor=cursor,
        sealed_to=sealed_to,
    )


def test_hole_when_nobody_has_history_stays_a_hole(desk: Desk) -> None:
    desk.stream.providers.set(desk.stream.providers.filter(name="bridge"))
    desk.player.start()
    with desk.running():
        desk.wait_for_bars(1, timeframe="5m")
        desk.server.drop()
        lost = desk.clock.micros()
        desk.wait(lambda: desk.sealed_to >= lost + 8 * MINUTE)
    holed = lost - lost % MINUTE + MINUTE
    made = stored_bars(Timeframe.M1)
    assert {key[1] for key in made}.isdisjoint({holed})
    assert {key[1] for key in made} >= {holed - MINUTE * 3, holed + MINUTE * 3}
    assert made.items() <= desk.minutes.items()
    fives = stored_bars(Timeframe.M5)
    assert -(-holed // (5 * MINUTE)) * 5 * MINUTE not in {key[1] for key in fives}
    assert fives
    assert fives.items() <= reference_bars(desk.ticks, Timeframe.M5).items()
    # The hole was in the ledger before the next instant could be decided.
    five = -(-holed // (5 * MINUTE)) * 5 * MINUTE
    for timeframe, closed_at in (("1m", holed), ("5m", five)):
        gaps = DataGap.objects.filter(timeframe=timeframe, known_from=from_micros(closed_at))
        assert set(gaps.values_list("instrument_id", "state")) == {
            (one, "open") for one in desk.ids.values()
        }
    for gap in DataGap.objects.all():
        series = {"instrument": gap.instrument, "timeframe": gap.timeframe}
        assert not Bar.objects.filter(opened_at=gap.first_opened_at, **series).exists()


def test_stream_when_polled_seals_what_the_files_show(desk: Desk) -> None:
    desk.stream.providers.set(desk.stream.providers.filter(name="archive"))
    with desk.running():
        desk.wait(lambda: desk.sealed_to >= desk.begin + 6 * MINUTE)
    assert stored_bars(Timeframe.M1) == desk.expected()
    assert stored_bars(Timeframe.M5) == desk.expected(Timeframe.M5)
    assert set(Bar.objects.filter(timeframe="1m").values_list("source__name", flat=True)) == {
        "archive"
    }
    assert Stream.objects.get().data_at is not None


def test_bad_and_late_ticks_are_counted_and_in_no_bar(desk: Desk) -> None:
    desk.stream.keep_ticks = True
    desk.stream.save()
    desk.player.start()
    with desk.running():
        desk.wait_for_bars(1)
        now = desk.clock.micros()
        bad = [
            tick_message("alpha", 0.0, from_micros(now)),
            tick_message("alpha", -3.0, from_micros(now)),
            tick_message("alpha", 1e15, from_micros(now)),
            tick_message("alpha", 100.0, from_micros(now + 60 * MINUTE)),
            tick_message("alpha", 100.0, from_micros(now - 2 * MINUTE)),
            tick_message("alpha", 100.0, from_micros(now), size=-1.0),
        ]
        desk.server.ticks(bad)
        desk.wait_for_bars(2)
        desk.wait(lambda: len(tick_counts(desk.redis)) >= 5)
    counts = {reason: count for _, reason, count in tick_counts(desk.redis)}
    assert counts.pop("fine") > 100
    assert counts == {
        "price_not_positive": 2,
        "too_large": 1,
        "in_the_future": 1,
        "late": 1,
        "size_negative": 1,
    }
    assert stored_bars(Timeframe.M1) == desk.expected()
    assert_raw_ticks_are_kept(desk)
    quotes = newest_quotes(redis=desk.redis, instrument_ids=[*desk.ids.values(), 10**6])
    assert set(quotes) == set(desk.ids.values())
    assert all(price in set(desk.ticks["price"]) for _, price in quotes.values())


def assert_raw_ticks_are_kept(desk: Desk) -> None:
    """Every tick of the minutes made of ticks is stored once, in order of arrival."""
    made = Bar.objects.filter(timeframe="1m", source__name="bridge")
    closes = {to_micros(at) for at in made.values_list("closed_at", flat=True)}
    kept = Counter(
        (tick.instrument_id, to_micros(tick.ts), tick.price, tick.size)
        for tick in Tick.objects.all()
    )
    sent = Counter(
        (instrument, ts, price, size)
        for ts, price, size, instrument, _ in desk.ticks.tolist()
        if ts - ts % MINUTE + MINUTE in closes
    )
    assert sent
    assert sent == Counter(
        {key: count for key, count in kept.items() if key[1] - key[1] % MINUTE + MINUTE in closes}
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timeframes": ["15m", "1h"]}, "ticks make bars of 1m or 5m first; add 1m"),
        ({"providers": []}, "has no provider"),
        ({"instruments": []}, "has no instrument"),
    ],
)
def test_plan_when_it_cannot_work_says_why(
    tmp_path: Path, change: dict[str, list[str]], said: str
) -> None:
    with running_tick_server() as server:
        stream, _ = make_stream(server, tmp_path, 0)
        for name, value in change.items():
            if name == "timeframes":
                stream.timeframes = value
            else:
                getattr(stream, name).set(value)
        with pytest.raises(LiveFeedError, match=said):
            live_plan(stream)
