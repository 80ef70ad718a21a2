"""Frames through a real Redis: order, offsets, marks, loss, damage."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from redis import Redis

from domain.ticks import TICK, TickArray
from marketdata.services.tick_stream import BEGINNING, ENTRIES_PER_READ, TickStream

NOW = 1_700_000_000_000_000


@pytest.fixture
def redis() -> Iterator[Redis]:
    """Return a client of this run's Redis, emptied."""
    with Redis.from_url(os.environ["REDIS_URL"], socket_timeout=2.0) as client:
        client.delete("plumbline:ticks:7")
        yield client
        client.delete("plumbline:ticks:7")


def numbered(count: int, first: int = 0) -> TickArray:
    """Return ticks told apart by their time."""
    ticks = np.zeros(count, dtype=TICK)
    ticks["ts"] = first + np.arange(count)
    ticks["price"] = 1.0
    return ticks


def read_all(stream: TickStream, after: str = "") -> list[int]:
    """Return the times of all ticks after the offset."""
    times: list[int] = []
    while entries := stream.read(after, wait_ms=1):
        after = entries[-1].id
        for entry in entries:
            times += [] if entry.ticks is None else entry.ticks["ts"].tolist()
    return times


def test_ticks_when_written_are_read_in_order_in_frames_of_200(redis: Redis) -> None:
    stream = TickStream(redis, 7)
    stream.write(numbered(450), NOW)
    stream.write(numbered(3, first=450), NOW)
    entries = stream.read("", wait_ms=1)
    assert [len(entry.ticks) for entry in entries if entry.ticks is not None] == [200, 200, 50, 3]
    assert read_all(stream) == list(range(453))
    assert read_all(stream, entries[1].id) == list(range(400, 453))


def test_read_when_more_than_one_batch_waits_goes_on_at_the_offset(redis: Redis) -> None:
    stream = TickStream(redis, 7)
    for number in range(ENTRIES_PER_READ + 5):
        stream.write(numbered(1, first=number), NOW)
    assert len(stream.read("", wait_ms=1)) == ENTRIES_PER_READ
    assert read_all(stream) == list(range(ENTRIES_PER_READ + 5))


def test_marks_when_written_come_between_the_ticks(redis: Redis) -> None:
    stream = TickStream(redis, 7)
    stream.write_joined(5)
    stream.write(numbered(1), NOW)
    stream.write_left(9)
    first, second, third = stream.read("", wait_ms=1)
    assert (first.joined_at, first.ticks, first.left_at) == (5, None, None)
    assert second.ticks is not None
    assert (third.joined_at, third.ticks, third.left_at) == (None, None, 9)


def test_read_when_nothing_comes_returns_after_the_wait(redis: Redis) -> None:
    assert TickStream(redis, 7).read(BEGINNING, wait_ms=20) == []


def test_entry_when_damaged_is_named_and_the_next_is_read(redis: Redis) -> None:
    stream = TickStream(redis, 7)
    redis.xadd(stream.key, {"ticks": b"half a fra"})
    redis.xadd(stream.key, {"joined": b"noon"})
    redis.xadd(stream.key, {"what": b"else"})
    stream.write(numbered(2), NOW)
    entries = stream.read("", wait_ms=1)
    assert [bool(entry.fault) for entry in entries] == [True, True, True, False]
    assert entries[-1].at == NOW
    assert read_all(stream) == [0, 1]


def test_has_lost_when_the_offset_is_trimmed_or_the_stream_is_gone(redis: Redis) -> None:
    stream = TickStream(redis, 7)
    assert not stream.has_lost("")
    assert stream.has_lost("5-0")  # nothing there at all
    for number in range(300):
        stream.write(numbered(200, first=number), NOW)
    ids = [entry.id for entry in stream.read("", wait_ms=1)]
    assert not stream.has_lost(ids[0])
    stream.acknowledge(ids[100])
    assert len(stream) <= 300 - 99  # approximate trimming spares part of a node, here one entry
    assert not stream.has_lost(ids[100])
    assert stream.has_lost(ids[50])


def test_write_when_nobody_acknowledges_stays_bounded(redis: Redis) -> None:
    stream = TickStream(redis, 7, most_entries=50)
    for number in range(400):
        stream.write(numbered(200, first=number), NOW)
    assert len(stream) < 60
