"""The newest price per instrument, for pages: thinned before it comes here, gone when Redis is."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from redis import Redis

from domain import bus
from domain.bars import from_micros
from domain.events import QuotesMoved

KEY = "plumbline:quotes"


def publish_quotes(*, redis: Redis, stream: str, prices: Mapping[int, tuple[int, float]]) -> None:
    """Keep the newest (micros, price) per instrument id, and say that they moved."""
    if not prices:
        return
    redis.hset(KEY, mapping={str(one): f"{ts}|{price!r}" for one, (ts, price) in prices.items()})
    newest = max(ts for ts, _ in prices.values())
    bus.publish(QuotesMoved(shard=0, stream=stream, at=from_micros(newest)))


def newest_quotes(
    *, redis: Redis, instrument_ids: Sequence[int]
) -> dict[int, tuple[datetime, float]]:
    """Return (instant, price) of the instruments that have one."""
    if not instrument_ids:
        return {}
    found: list[Any] = redis.hmget(KEY, [str(one) for one in instrument_ids])
    quotes = {}
    for one, text in zip(instrument_ids, found, strict=True):
        if text is not None:
            ts, _, price = text.decode().partition("|")
            quotes[one] = (from_micros(int(ts)), float(price))
    return quotes
