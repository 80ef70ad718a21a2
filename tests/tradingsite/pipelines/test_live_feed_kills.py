"""The feed process is killed again and again; no closed bar is lost, doubled or changed."""

import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from redis import Redis

from domain.bars import Timeframe, from_micros, to_micros
from marketdata.models import Bar, BarRevision, LateBar, Seal, Stream
from marketdata.services.tick_stream import PREFIX
from tests.marketdata.feeds.tick_server import running_tick_server
from tests.tradingsite.pipelines.fast_desk import (
    GRACE_SECONDS,
    MINUTE,
    FastClock,
    TickPlayer,
    make_stream,
    reference_bars,
    seeded_ticks,
    start_feed,
    stored_bars,
    write_history,
)
from tradingsite import env

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(600)]

MINUTES = 180
KILLS = 4
SPEED = 20


def wait_for_a_bar_from_ticks(process: subprocess.Popen[bytes], after: int) -> None:
    """Return as soon as a bar that closed after the instant was made of ticks."""
    made = Bar.objects.filter(source__name="bridge", closed_at__gt=from_micros(after))
    ends = time.monotonic() + 90
    while not made.exists():
        assert process.poll() is None, "the feed process ended by itself"
        assert time.monotonic() < ends, "no bar was made of ticks"
        time.sleep(0.01)


def test_feed_when_killed_at_random_leaves_the_bars_of_a_calm_run(tmp_path: Path) -> None:
    shown = (time.time_ns() // 1000 - 200 * MINUTE) // (5 * MINUTE) * (5 * MINUTE)
    chance = random.Random(17)
    with running_tick_server() as server, Redis.from_url(env.redis_url()) as redis:
        stream, ids = make_stream(server, tmp_path, shown)
        redis.delete(f"{PREFIX}{stream.pk}", f"{PREFIX}{stream.pk}:unknown")
        ticks = seeded_ticks(shown, MINUTES, ids, seed=5)
        minutes = reference_bars(ticks, Timeframe.M1)
        write_history(tmp_path, ids, minutes)
        clock = FastClock(time.time_ns(), shown * 1000, SPEED)
        player = TickPlayer(server, clock, ticks, ids)
        player.start()
        process = start_feed(stream.name, clock, tmp_path / "feed.log")
        try:
            for kill in range(KILLS):
                wait_for_a_bar_from_ticks(process, to_micros(Stream.objects.get().sealed_to))
                now = clock.micros()
                if kill % 2:  # around the moment of sealing: the end of the grace
                    now += MINUTE - now % MINUTE + GRACE_SECONDS * 1_000_000
                clock.wait_until(now + chance.randrange(4_000_000 if kill % 2 else MINUTE))
                process.kill()
                process.wait()
                process = start_feed(stream.name, clock, tmp_path / "feed.log")
            wait_for_a_bar_from_ticks(process, clock.micros())
        finally:
            player.stop.set()
            process.kill()
            process.wait()
    last = to_micros(Stream.objects.get().sealed_to)
    assert last < shown + MINUTES * MINUTE, "more ticks are needed"
    expected = [
        {key: bar for key, bar in bars.items() if key[1] <= last}
        for bars in (minutes, reference_bars(ticks, Timeframe.M5))
    ]
    assert [stored_bars(Timeframe.M1), stored_bars(Timeframe.M5)] == expected
    seals = [(to_micros(seal.closed_at), seal.bars) for seal in Seal.objects.order_by("closed_at")]
    assert seals == sorted(Counter(at for bars in expected for _, at in bars).items())
    assert not LateBar.objects.exists()
    assert not BarRevision.objects.exists()
    # Both ways were taken, or nothing is proved: from ticks, and from history.
    made = Bar.objects.filter(timeframe="1m").values_list("source__name", flat=True)
    counts = Counter(made.order_by())
    assert counts["bridge"] > KILLS
    assert counts["archive"] > KILLS
