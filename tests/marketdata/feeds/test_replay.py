"""A replay plays every instant once, in order, in time, and stops when told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from domain.bars import Bar, Timeframe
from marketdata.feeds.base import FeedBar, FeedInstant, UnsupportedByFeedError
from marketdata.feeds.replay import ReplayFeed

T0 = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def instant(day: int) -> FeedInstant:
    closed_at = T0 + day * DAY
    bar = Bar(closed_at - DAY, closed_at, 1.0, 1.0, 1.0, 1.0, None)
    return FeedInstant(closed_at, (FeedBar("V", "S", Timeframe.D1, bar),))


@dataclass
class Clock:
    """Time that passes only when slept."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)

    def monotonic(self) -> float:
        return self.now


def reader(days: int) -> Any:
    def read(after: datetime, limit: int) -> Sequence[FeedInstant]:
        later = [instant(day) for day in range(1, days + 1) if T0 + day * DAY > after]
        return later[: min(limit, 3)]

    return read


def played(
    clock: Clock, after: datetime = T0, stop_at: float = 1e9, **options: Any
) -> list[tuple[float, int]]:
    """Return (seconds since the start, day) of every instant."""
    given = {"read": reader(10), "pace_seconds": 5.0} | options
    feed = ReplayFeed(**given, sleep=clock.sleep, monotonic=clock.monotonic)
    began = clock.now
    subscription = feed.subscribe(after=after, should_stop=lambda: clock.now - began >= stop_at)
    return [
        (round(clock.now - began, 6), (one.closed_at - T0).days)
        for one in subscription
        if one is not None
    ]


def test_replay_when_paced_plays_one_instant_each_pace() -> None:
    times = played(Clock())
    assert [day for _, day in times] == list(range(1, 11))
    assert [seconds for seconds, _ in times] == pytest.approx([5.0 * n for n in range(10)], abs=0.6)


def test_replay_when_fast_does_not_wait_until_the_day_named() -> None:
    times = played(Clock(), fast_until=T0 + 6 * DAY)
    assert times[:6] == [(0.0, day) for day in range(1, 7)]
    assert times[6][0] == pytest.approx(5.0, abs=0.1)


def test_replay_when_held_back_waits_and_goes_on_when_it_may() -> None:
    clock = Clock()
    times = played(clock, fast_until=T0 + 10 * DAY, may_go_on=lambda _: clock.now >= 102.0)
    assert times[0][0] == 0.0
    assert [seconds for seconds, _ in times[1:]] == pytest.approx([2.0] * 9, abs=0.06)


def test_replay_when_held_back_for_ever_falls_to_its_pace() -> None:
    times = played(Clock(), fast_until=T0 + 10 * DAY, may_go_on=lambda _: False)
    assert [seconds for seconds, _ in times] == pytest.approx([5.0 * n for n in range(10)], abs=0.6)


def test_replay_when_begun_in_the_middle_plays_what_follows() -> None:
    assert [day for _, day in played(Clock(), after=T0 + 7 * DAY)] == [8, 9, 10]


def test_replay_when_it_has_an_end_stops_there() -> None:
    assert [day for _, day in played(Clock(), ends_at=T0 + 4 * DAY)] == [1, 2, 3, 4]


def test_replay_when_told_to_stop_ends_within_a_poll() -> None:
    clock = Clock()
    assert [day for _, day in played(clock, stop_at=7.0)] == [1, 2]
    assert clock.now - 100.0 <= 7.1


def test_replay_when_waiting_says_so_at_least_each_second() -> None:
    clock = Clock()
    feed = ReplayFeed(
        read=reader(2), pace_seconds=5.0, sleep=clock.sleep, monotonic=clock.monotonic
    )
    at = [clock.now for _ in feed.subscribe(after=T0, should_stop=lambda: False)]
    assert max(later - earlier for earlier, later in pairwise(at)) <= 1.0


def test_replay_when_nothing_is_stored_ends_at_once() -> None:
    assert played(Clock(), read=reader(0)) == []


def test_replay_when_asked_for_history_refuses() -> None:
    feed = ReplayFeed(read=reader(1), pace_seconds=1.0)
    assert feed.capabilities.has_history is False
    with pytest.raises(UnsupportedByFeedError, match="replay has no history"):
        feed.history(symbol="S", timeframe=Timeframe.D1, since=T0, until=T0 + DAY)
