"""How many ticks of each live stream were fine or refused: kept in Redis, beside the ticks."""

from collections.abc import Mapping
from typing import Any

from redis import Redis

PREFIX = "plumbline:tick_counts:"


def count_ticks(redis: Redis, stream: str, counts: Mapping[str, int]) -> None:
    """Add the counts, by reason, to those of the stream."""
    pipeline = redis.pipeline(transaction=False)
    for reason, count in counts.items():
        pipeline.hincrby(PREFIX + stream, reason, count)
    pipeline.execute()


def tick_counts(redis: Redis) -> list[tuple[str, str, int]]:
    """Return (stream, reason, ticks) for every stream that has counted any."""
    found = []
    for key in sorted(redis.scan_iter(match=PREFIX + "*", count=1000)):
        stream = key.decode().removeprefix(PREFIX)
        counts: list[Any] = sorted(redis.hgetall(key).items())
        found += [(stream, reason.decode(), int(count)) for reason, count in counts]
    return found
