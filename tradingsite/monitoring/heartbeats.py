"""Signs of life of workers and beat, where other machines can see them: keys that expire."""

import time
from typing import Any

from celery import signals
from redis import Redis
from redis.exceptions import RedisError

from tradingsite import env
from tradingsite.supervisor import heartbeat

PREFIX = "plumbline:heartbeat:"
LASTS_SECONDS = 30
EVERY_SECONDS = 5.0

_said: dict[str, float] = {}


def redis_client(*, timeout: float = 1.0) -> Redis:
    """Return a client of the durable Redis that never waits longer than `timeout`."""
    return Redis.from_url(env.redis_url(), socket_timeout=timeout, socket_connect_timeout=timeout)


def say_alive(name: str) -> None:
    """Say that the process `name` lives; a Redis that does not answer is no reason to stop."""
    now = time.monotonic()
    if now - _said.get(name, -EVERY_SECONDS) < EVERY_SECONDS:
        return
    _said[name] = now
    try:
        with redis_client(timeout=0.5) as redis:
            redis.set(PREFIX + name, "1", ex=LASTS_SECONDS)
    except (RedisError, OSError):
        return


def ages(redis: Redis) -> dict[str, float]:
    """Return how many seconds ago each living process spoke, by name; the dead are absent."""
    names = [key.decode() for key in redis.scan_iter(match=PREFIX + "*", count=1000)]
    pipeline = redis.pipeline(transaction=False)
    for name in names:
        pipeline.pttl(name)
    left = zip(names, pipeline.execute(), strict=True)
    return {
        name.removeprefix(PREFIX): LASTS_SECONDS - milliseconds / 1000
        for name, milliseconds in left
        if milliseconds > 0
    }


def connect() -> None:
    """Let workers and beat say it by themselves; nothing happens in other processes."""
    signals.heartbeat_sent.connect(_worker_lives, dispatch_uid="plumbline-worker-lives")
    signals.beat_init.connect(_beat_begins, dispatch_uid="plumbline-beat-begins")


def _worker_lives(sender: Any, **_: Any) -> None:
    heartbeat.beat()
    say_alive(sender.eventer.hostname)


def _beat_begins(**_: Any) -> None:
    # What proves a beat is that it publishes.
    signals.after_task_publish.connect(_beat_lives, dispatch_uid="plumbline-beat-lives")
    _beat_lives()


def _beat_lives(**_: Any) -> None:
    say_alive("beat")
