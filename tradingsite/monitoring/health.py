"""Is the desk ready: each part with a reason, within two seconds whatever has stopped."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlowError
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import connection
from redis.exceptions import RedisError

from tradingsite.monitoring import heartbeats
from tradingsite.processes import desk_processes

DEADLINE_SECONDS = 2.0
FEED_SILENT_SECONDS = 30.0
WALK_STILL_SECONDS = 30.0

# Without the providers' reasons: they may hold addresses, and anybody may ask for the health.
FEEDS = """
    SELECT s.name, s.is_finished,
           greatest(%s, 3 * s.pace_seconds) AS allowed,
           extract(epoch FROM clock_timestamp() - s.heartbeat_at)::float8 AS age,
           s.kind = 'live' AND s.is_mute AS is_mute,
           extract(epoch FROM clock_timestamp() - s.data_at)::float8 AS data_age,
           array(SELECT p.name || ' is ' || p.state
                 FROM marketdata_provider p
                 JOIN marketdata_stream_providers l ON l.provider_id = p.id
                 WHERE l.stream_id = s.id AND s.kind = 'live' AND p.is_enabled
                 AND p.state IN ('mute', 'down') ORDER BY p.priority, p.name) AS troubled
    FROM marketdata_stream s ORDER BY s.name
"""
WALKS = """
    SELECT a.name, extract(epoch FROM clock_timestamp() - b.moved_at)::float8 AS age,
           EXISTS (SELECT 1 FROM marketdata_seal s
                   WHERE s.stream_id = a.stream_id AND s.closed_at > b.decided_to) AS is_behind
    FROM execution_book b JOIN marketdata_account a ON a.id = b.account_id ORDER BY a.name
"""


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the desk; `why` is a sentence, empty when all is well.

    `is_starved`: it works, and what it needs from outside does not come.
    """

    name: str
    ok: bool
    why: str = ""
    age_seconds: float | None = None
    is_starved: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """Every part of the desk; ready when all are well."""

    components: tuple[Component, ...]

    @property
    def ok(self) -> bool:
        """Tell whether the desk is ready."""
        return all(component.ok for component in self.components)

    @property
    def is_starved(self) -> bool:
        """Tell whether some part lacks what it needs from outside."""
        return any(component.is_starved for component in self.components)


def check_health() -> Health:
    """Return how every part fares; never raises."""
    record = _record.result_within(DEADLINE_SECONDS)
    return Health((*record, *_redis_and_processes()))


class SingleFlight:
    """Runs a probe in a thread of its own, never twice at once: a frozen server costs one."""

    def __init__(self, probe: Callable[[], tuple[Component, ...]], silent: Component) -> None:
        self._probe = probe
        self._silent = silent
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._running: Future[tuple[Component, ...]] | None = None

    def result_within(self, seconds: float) -> tuple[Component, ...]:
        """Return what the probe found, or the silent component when it takes too long."""
        with self._lock:
            if self._running is None or self._running.done():
                self._running = self._pool.submit(self._probe)
            running = self._running
        try:
            return running.result(seconds)
        except TooSlowError:
            return (self._silent,)


def _probe_record() -> tuple[Component, ...]:
    """Return database, feed and walk as the record shows them; runs in the probe's thread."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '1500ms'")
            cursor.execute(FEEDS, [FEED_SILENT_SECONDS])
            feeds = [
                _feed(name, is_finished, allowed, age, _starved(*rest))
                for name, is_finished, allowed, age, *rest in cursor.fetchall()
            ]
            cursor.execute(WALKS)
            walks = [_walk(*row) for row in cursor.fetchall()]
    except DatabaseError as error:
        why = "not migrated" if "does not exist" in str(error) else "does not answer"
        return (Component("database", ok=False, why=why),)
    finally:
        connection.close()
    nothing = Component("feed", ok=False, why="no stream yet; manage.py bootstrap makes one")
    return (Component("database", ok=True), *(feeds or [nothing]), *walks)


def _feed(
    name: str,
    is_finished: bool,  # noqa: FBT001 - a row's columns, in order
    allowed: float,
    age: float | None,
    starved: str,
) -> Component:
    label = f"feed {name}"
    if is_finished:
        return Component(label, ok=True, why="the replay is finished", age_seconds=age)
    if age is None:
        return Component(label, ok=False, why="has not begun")
    if age > allowed:
        return Component(label, ok=False, why=f"silent for {age:.0f} s", age_seconds=age)
    # A provider's silence is no fault of the desk: restarting it would change nothing.
    return Component(label, ok=True, why=starved, age_seconds=age, is_starved=starved != "")


def _starved(
    is_mute: bool,  # noqa: FBT001 - a row's columns, in order
    data_age: float | None,
    troubled: list[str],
) -> str:
    """Return what a live stream does not get from its providers, '' when all is well."""
    said = []
    if is_mute:
        said.append("no data yet" if data_age is None else f"no data for {data_age:.0f} s")
    return "; ".join(said + troubled)


def _walk(account: str, age: float, is_behind: bool) -> Component:  # noqa: FBT001
    label = f"walk {account}"
    if is_behind and age > WALK_STILL_SECONDS:
        why = f"instants are sealed and nothing was decided for {age:.0f} s"
        return Component(label, ok=False, why=why, age_seconds=age)
    return Component(label, ok=True, age_seconds=age)


def _redis_and_processes() -> tuple[Component, ...]:
    workers = [one.name for one in desk_processes() if one.part == "worker"]
    try:
        with heartbeats.redis_client() as redis:
            ages = heartbeats.ages(redis)
    except (RedisError, OSError):
        names = ("beat", *(f"worker {name}" for name in workers))
        unknown = (Component(name, ok=False, why="unknown while redis is away") for name in names)
        return (Component("redis", ok=False, why="does not answer"), *unknown)
    living = {name.split("@", maxsplit=1)[0]: age for name, age in sorted(ages.items())}
    return (
        Component("redis", ok=True),
        _process("beat", living.get("beat")),
        *(_process(f"worker {name}", living.get(name)) for name in workers),
    )


def _process(label: str, age: float | None) -> Component:
    if age is None:
        lasts = heartbeats.LASTS_SECONDS
        return Component(label, ok=False, why=f"no sign of life for {lasts} s")
    return Component(label, ok=True, age_seconds=round(age, 1))


_record = SingleFlight(_probe_record, Component("database", ok=False, why="does not answer"))
