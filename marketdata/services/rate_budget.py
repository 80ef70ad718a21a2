"""One bucket of calls per provider, in Redis: shared by every worker, kept through restarts.

A bucket fills at the provider's rate up to its burst and never above; a Redis that has lost it
begins with a full one. All instants are the server's, so the clocks of workers do not matter.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from domain.budget import BudgetExhaustedError
from domain.errors import PlumblineError

PREFIX = "plumbline:budget:"
REDIS_SECONDS = 2.0
# A provider that says more than a day is believed for a day.
LONGEST_HOLD_SECONDS = 86_400.0
# Several who wait for one call must not all come back in the same instant.
LONGEST_JITTER_SECONDS = 0.01

# KEYS[1] the bucket; ARGV: calls per second (0: no limit), burst, cost, seconds to hold first.
# Returns how many microseconds to wait; 0 when the calls were taken. A hold counts from the
# server's now, never shortens an earlier one, and leaves one call in the bucket at its end.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, hold = tonumber(ARGV[3]), tonumber(ARGV[4])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'held')
local tokens = math.min(burst, tonumber(kept[1]) or burst)
local at = math.min(now, tonumber(kept[2]) or now)
local held = tonumber(kept[3]) or 0
local wait = 0
if hold > 0 then
  held = math.max(held, now + hold * 1000000)
end
if held > now then
  tokens, at, wait = math.min(1, burst), now, held - now
elseif rate > 0 then
  tokens = math.min(burst, tokens + (now - math.max(at, held)) * rate / 1000000)
  at = now
  if tokens >= cost then
    tokens = tokens - cost
  else
    wait = math.ceil((cost - tokens) * 1000000 / rate)
  end
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens),
  'at', string.format('%.0f', at), 'held', string.format('%.0f', held))
local full = rate > 0 and burst / rate or 0
redis.call('PEXPIRE', KEYS[1], math.ceil(full * 1000 + math.max(0, held - now) / 1000) + 1000)
return string.format('%.0f', wait)
"""


class BudgetUnavailableError(PlumblineError):
    """Redis does not answer, so nobody knows how many calls are left."""

    code = "budget_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisBudget:
    """The calls left to one provider, a `domain.budget.RateBudget`."""

    provider: str
    per_second: float | None  # None: no limit, yet a hold is kept
    burst: int = 1
    longest_wait_seconds: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def take(self, cost: int = 1) -> None:
        """Return as soon as `cost` calls may be made; refuse at once what would come too late."""
        if self.per_second is not None and cost > self.burst:
            raise BudgetExhaustedError(
                f"provider {self.provider}: {cost} calls at once are more than its burst"
                f" of {self.burst}"
            )
        ends = self.monotonic() + self.longest_wait_seconds
        while seconds := self._ask(cost, hold=0.0):
            if self.monotonic() + seconds > ends:
                raise BudgetExhaustedError(
                    f"provider {self.provider}: its next call may be made in {seconds:.1f} s,"
                    f" too late for who waits {self.longest_wait_seconds:g} s at most"
                )
            self.sleep(seconds + random.uniform(0.0, LONGEST_JITTER_SECONDS))  # noqa: S311 - no secret

    def hold(self, seconds: float) -> None:
        """Empty the bucket for `seconds`, for every worker."""
        if seconds > 0:
            self._ask(0, hold=min(seconds, LONGEST_HOLD_SECONDS))

    def _ask(self, cost: int, *, hold: float) -> float:
        """Return how many seconds to wait before asking again; 0.0 when the calls are taken."""
        try:
            waited = _redis().eval(
                TAKE, 1, PREFIX + self.provider, self.per_second or 0, self.burst, cost, hold
            )
        except (RedisError, OSError) as error:
            raise BudgetUnavailableError(
                f"provider {self.provider}: Redis does not answer, no call is made ({error})"
            ) from None
        return int(waited) / 1_000_000


@cache
def _redis() -> Redis:
    """Return this process's client of the durable Redis; it notices a fork by itself."""
    return Redis.from_url(
        settings.REDIS_URL, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
