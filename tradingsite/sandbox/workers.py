"""The sandbox's own Celery workers, kept alive."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tradingsite.embedded.children import kill_group, spawn, stop
from tradingsite.embedded.locations import CHECKOUT
from tradingsite.processes import WORKER_ENV
from tradingsite.sandbox.database import SandboxError

ARGV = (
    *("-m", "celery", "-A", "tradingsite", "worker", "--pool", "solo"),
    *("--queues", "signals,execution", "--prefetch-multiplier", "1", "-O", "fair"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "ERROR"),
)
STOP_STEPS = ((signal.SIGTERM, 4.0),)
MOST_RESTARTS = 50
TAIL_BYTES = 2000


class Workers:
    """`count` worker processes; one that dies is started again."""

    def __init__(self, count: int, python: str, urls: Mapping[str, str], log: Path) -> None:
        self.restarts = 0
        self._python = python
        self._log = log
        self._env = {
            **os.environ,
            **WORKER_ENV,
            **urls,
            "PLUMBLINE_ENVIRONMENT": "sandbox",
            "LIVE_BROADCAST": "no",
            "LOG_LEVEL": "WARNING",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._count = count

    def __enter__(self) -> "Workers":
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")
        self._processes = [self._start(number) for number in range(self._count)]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            stop(process, STOP_STEPS)

    @property
    def pids(self) -> list[int]:
        """Return the process ids, in order."""
        return [process.pid for process in self._processes]

    def tend(self) -> None:
        """Start again whatever ended."""
        for number, process in enumerate(self._processes):
            if process.poll() is not None:
                kill_group(process)
                self.restarts += 1
                if self.restarts > MOST_RESTARTS:
                    raise SandboxError(f"the workers keep dying; the last words: {self._tail()}")
                time.sleep(0.1)
                self._processes[number] = self._start(number)

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return spawn(
                [self._python, *ARGV, "--hostname", f"sandbox{number}@%h"],
                cwd=CHECKOUT,
                env=self._env,
                output=log,
            )

    def _tail(self) -> str:
        text = self._log.read_bytes()[-TAIL_BYTES:].decode("utf-8", "replace")
        return (text.strip().splitlines() or ["none"])[-1]
