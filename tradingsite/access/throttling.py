"""Rate limits that hold, per process at least, while Redis is away."""

from typing import Any

from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from redis.exceptions import RedisError
from rest_framework import throttling


class SteadyCache:
    """The shared cache, or this process's own memory when the shared one does not answer."""

    def __init__(self) -> None:
        self.own = LocMemCache("throttling", {})

    def get(self, key: str, default: Any = None) -> Any:
        """Return the stored value."""
        try:
            return cache.get(key, default)
        except (RedisError, OSError):
            return self.own.get(key, default)

    def set(self, key: str, value: Any, timeout: float) -> None:
        """Store the value, for `timeout` seconds."""
        try:
            cache.set(key, value, timeout)
        except (RedisError, OSError):
            self.own.set(key, value, timeout)


_steady = SteadyCache()


class UserThrottle(throttling.UserRateThrottle):
    """Limits each signed-in person."""

    cache: Any = _steady


class AnonymousThrottle(throttling.AnonRateThrottle):
    """Limits each address that has not signed in."""

    cache: Any = _steady


class LoginThrottle(throttling.AnonRateThrottle):
    """Limits the attempts to sign in from one address."""

    cache: Any = _steady
    scope = "login"
