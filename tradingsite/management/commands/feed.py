"""`manage.py feed`: the feed process, the one writer of every stream."""

import signal
import time
from argparse import ArgumentParser
from threading import Event, Thread
from typing import Any

import structlog
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection

from tradingsite.pipelines.ingestion import run_feed, unfinished_streams
from tradingsite.supervisor import heartbeat

LOOK_SECONDS = 2.0
STOP_SECONDS = 5.0

log = structlog.get_logger("feed")


class Command(BaseCommand):
    """Deliver every unfinished stream, each in a thread; wait when there is none."""

    help = "Run the feed process: delivers every unfinished stream, ends on SIGTERM."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own way

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--stream", help="deliver this stream only")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or SIGINT."""
        stop = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        deliver_all(stop, only=options["stream"])


def deliver_all(stop: Event, *, only: str | None = None) -> None:
    """Keep one thread per unfinished stream until `stop`; new streams are found as they come."""
    threads: dict[str, Thread] = {}
    while not stop.is_set():
        heartbeat.beat()
        for name in _wanted(only):
            if name not in threads or not threads[name].is_alive():
                threads[name] = Thread(
                    target=run_feed, args=(name, stop.is_set), name=f"feed {name}", daemon=True
                )
                threads[name].start()
        stop.wait(LOOK_SECONDS)
    ends = time.monotonic() + STOP_SECONDS
    for thread in threads.values():
        thread.join(max(0.0, ends - time.monotonic()))
    connection.close()
    log.info("feed stopped")


def _wanted(only: str | None) -> list[str]:
    """Return the streams to deliver; none while the database does not answer."""
    try:
        return [name for name in unfinished_streams() if only in (None, name)]
    except (DatabaseError, InterfaceError) as error:
        log.warning("feed waits for the database", reason=" ".join(str(error).split())[:200])
        connection.close()
        return []
