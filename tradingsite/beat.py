"""The beat process's scheduler: the database's, run by one process at a time."""

from typing import Any

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django_celery_beat.schedulers import DatabaseScheduler

from tradingsite.supervisor.heartbeat import beat

BEAT_LOCK = 7302
RETRY_SECONDS = 1.0


class DeskScheduler(DatabaseScheduler):
    """Ticks only while it holds the beat's advisory lock: a second beat waits its turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # A connection of its own: the scheduler's is closed between ticks, a lock would go too.
        self._lock: BaseDatabaseWrapper | None = None
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Return the seconds until the next tick; publish only while the lock is ours."""
        beat()
        if not self._holds_lock():
            return RETRY_SECONDS
        return float(super().tick(*args, **kwargs))

    def _holds_lock(self) -> bool:
        try:
            if self._lock is None:
                self._lock = connections.create_connection("default")
                with self._lock.cursor() as cursor:
                    cursor.execute("SELECT pg_try_advisory_lock(%s)", (BEAT_LOCK,))
                    if not cursor.fetchone()[0]:
                        self._forget()
                        return False
            with self._lock.cursor() as cursor:
                cursor.execute("SELECT 1")
        except (DatabaseError, InterfaceError):
            self._forget()
            return False
        return True

    def _forget(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
