"""One bucket for all: never more calls than rate and burst allow, whoever asks, whatever dies."""

import multiprocessing
import time
from dataclasses import replace

import pytest
from django.conf import settings
from redis import Redis

from domain.budget import BudgetExhaustedError
from marketdata.services import rate_budget
from marketdata.services.rate_budget import PREFIX, BudgetUnavailableError, RedisBudget

# Calls that would have to wait are refused at once: what is left shows without a clock.
SLOW = RedisBudget(provider="slow", per_second=0.01, burst=3, longest_wait_seconds=1.0)


@pytest.fixture(autouse=True)
def redis() -> Redis:
    found = Redis.from_url(settings.REDIS_URL)
    for key in found.scan_iter(match=PREFIX + "*"):
        found.delete(key)
    return found


def left(budget: RedisBudget) -> int:
    """Return how many calls may be made now, and make them."""
    taken = 0
    try:
        while taken <= budget.burst:
            budget.take()
            taken += 1
    except BudgetExhaustedError:
        pass
    return taken


def take_many(provider: str, calls: int) -> None:
    budget = RedisBudget(provider=provider, per_second=50.0, burst=5)
    for _ in range(calls):
        budget.take()


def server_seconds(redis: Redis) -> float:
    seconds, micros = redis.time()
    return seconds + micros / 1_000_000


def test_take_when_the_bucket_is_new_allows_the_burst_and_no_more() -> None:
    assert (left(SLOW), left(SLOW)) == (3, 0)


def test_take_when_too_late_refuses_in_one_line_without_waiting() -> None:
    left(SLOW)
    slept: list[float] = []
    with pytest.raises(BudgetExhaustedError, match=r"provider slow: .* too late for who waits 1 s"):
        replace(SLOW, sleep=slept.append).take()
    assert slept == []


def test_take_when_the_cost_is_more_than_the_burst_refuses() -> None:
    with pytest.raises(BudgetExhaustedError, match="more than its burst of 3"):
        SLOW.take(4)
    assert left(SLOW) == 3


def test_take_when_providers_differ_has_a_bucket_for_each() -> None:
    assert (left(SLOW), left(replace(SLOW, provider="other"))) == (3, 3)


def test_take_when_the_burst_was_lowered_never_starts_above_it() -> None:
    replace(SLOW, burst=50).take()
    assert left(SLOW) == 3


def test_take_when_redis_lost_the_bucket_starts_full_and_not_above(redis: Redis) -> None:
    left(SLOW)
    redis.delete(PREFIX + "slow")
    assert (left(SLOW), left(SLOW)) == (3, 0)


@pytest.mark.parametrize("field", ["at", "held"])
def test_take_when_the_server_clock_has_moved_back_gives_nothing_away(
    field: str, redis: Redis
) -> None:
    left(SLOW)
    redis.hset(PREFIX + "slow", field, int((server_seconds(redis) + 3600) * 1_000_000))
    assert left(SLOW) == 0


def test_take_when_no_limit_is_set_always_allows() -> None:
    assert left(replace(SLOW, per_second=None)) == 4


@pytest.mark.parametrize("per_second", [0.01, None])
def test_hold_when_the_provider_says_wait_stops_every_caller(per_second: float | None) -> None:
    budget = replace(SLOW, per_second=per_second)
    budget.hold(50.0)
    with pytest.raises(BudgetExhaustedError, match=r"may be made in (49|50)\.\d s"):
        replace(budget).take()


def test_hold_when_a_shorter_one_follows_keeps_the_longer() -> None:
    SLOW.hold(50.0)
    SLOW.hold(2.0)
    with pytest.raises(BudgetExhaustedError, match=r"may be made in (49|50)\.\d s"):
        SLOW.take()


def test_hold_when_absurd_lasts_a_day_at_most() -> None:
    SLOW.hold(float("inf"))
    with pytest.raises(BudgetExhaustedError, match=r"may be made in 86(399|400)\.\d s"):
        SLOW.take()


def test_hold_when_over_leaves_one_call_not_the_burst(redis: Redis) -> None:
    SLOW.hold(50.0)
    past = int((server_seconds(redis) - 1) * 1_000_000)
    redis.hset(PREFIX + "slow", "held", past)
    assert left(SLOW) == 1


def test_bucket_when_full_again_is_forgotten(redis: Redis) -> None:
    SLOW.take()
    assert 300_000 <= redis.pttl(PREFIX + "slow") <= 301_000  # 3 calls at 0.01 a second


def test_take_when_redis_is_away_refuses_in_one_line(settings, monkeypatch) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(rate_budget, "_redis", rate_budget._redis.__wrapped__)
    with pytest.raises(BudgetUnavailableError, match="provider slow: Redis does not answer"):
        SLOW.take()


def test_take_when_several_processes_call_keeps_one_rate_for_all(redis: Redis) -> None:
    take_many("shared", 1)  # a client made before the fork must not be shared
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=take_many, args=("shared", 18)) for _ in range(3)]
    began = server_seconds(redis)
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    # 54 calls, at most 5 of them at once: the rest come at 50 a second or slower.
    assert server_seconds(redis) - began >= (54 - 5) / 50.0


def test_take_when_a_process_is_killed_costs_others_nothing() -> None:
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=take_many, args=("shared", 10_000))
    process.start()
    time.sleep(0.2)
    process.kill()
    process.join(10)
    take_many("shared", 3)
