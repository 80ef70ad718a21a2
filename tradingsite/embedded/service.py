"""What PostgreSQL and Redis have in common for whoever runs them."""

import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from domain.errors import PlumblineError
from tradingsite.embedded.children import working_inside

LOG_LIMIT_BYTES = 10_000_000
LEFTOVER_PATIENCE_SECONDS = 15.0


class ServiceError(PlumblineError):
    """An embedded service cannot start."""

    code = "service"


class Service(ABC):
    """One server process of ours."""

    name: ClassVar[str]
    program: ClassVar[str]

    def __init__(self, *, folder: Path, log: Path) -> None:
        self.folder = folder
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Return where clients connect."""

    @abstractmethod
    def start(self) -> None:
        """Clear what a killed predecessor left, then start the server."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether it answers."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the server in order and wait for it."""

    @abstractmethod
    def dismiss_leftover(self, pid: int) -> None:
        """Ask a surviving server of an earlier run to end."""

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def await_leftovers(self) -> None:
        """Wait until no earlier server works in our folder; its owner is dead, so it must end."""
        deadline = time.monotonic() + LEFTOVER_PATIENCE_SECONDS
        asked: set[int] = set()
        while survivors := working_inside(self.folder, self.program):
            for pid in set(survivors) - asked:
                self.dismiss_leftover(pid)
                asked.add(pid)
            if time.monotonic() > deadline:
                raise ServiceError(f"process {survivors[0]} still works in {self.folder}; stop it")
            time.sleep(0.05)

    def last_words(self) -> str:
        """Return the last line of the server's log."""
        if not self.log.exists():
            return "it wrote no log"
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it wrote no log"


def rotate(log: Path) -> None:
    """Move a log that has grown large aside; one old file is kept."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(log.suffix + ".1"))


def wait_until_ready(service: Service, patience_seconds: float = 180.0) -> None:
    """Return when the service answers; raise when it died or took too long."""
    deadline = time.monotonic() + patience_seconds
    while not service.is_ready():
        if not service.is_alive():
            raise ServiceError(f"{service.name} did not start: {service.last_words()}")
        if time.monotonic() > deadline:
            raise ServiceError(f"{service.name} does not answer after {patience_seconds:.0f} s")
        time.sleep(0.02)
