"""One child process: its output, its failures, its sign of life."""

import os
import subprocess
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from tradingsite.embedded.children import kill_group, spawn
from tradingsite.embedded.locations import CHECKOUT
from tradingsite.processes import Process
from tradingsite.supervisor import heartbeat

FAILURES_ALLOWED = 5
FAILURE_WINDOW_SECONDS = 60.0
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 10.0
TAIL_LINES = 20
READ_BYTES = 65536
LONGEST_LINE_BYTES = 16384


@dataclass
class Watched:
    """A process of the desk and what happened to it."""

    process: Process
    env: dict[str, str]
    heartbeat_file: Path
    popen: subprocess.Popen[bytes] | None = None
    restart_at: float | None = None
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES_ALLOWED))
    _rest: bytes = b""

    def start(self) -> int:
        """Start the process; return the descriptor its output comes from."""
        self.heartbeat_file.unlink(missing_ok=True)
        self.restart_at = None
        self._rest = b""
        self.popen = spawn(
            self.process.command(),
            cwd=CHECKOUT,
            env={
                **self.env,
                **self.process.env,
                heartbeat.FILE_VARIABLE: str(self.heartbeat_file),
                "PYTHONUNBUFFERED": "1",
            },
            output=subprocess.PIPE,
        )
        return self.output

    @property
    def output(self) -> int:
        """Return the descriptor of the output pipe, which never blocks."""
        assert self.popen is not None  # noqa: S101 - for the type checker
        assert self.popen.stdout is not None  # noqa: S101
        descriptor = self.popen.stdout.fileno()
        os.set_blocking(descriptor, False)
        return descriptor

    def read(self) -> tuple[list[str], bool]:
        """Return the whole lines that arrived, and whether the pipe has ended."""
        try:
            chunk = os.read(self.output, READ_BYTES)
        except BlockingIOError:
            return [], False
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        if self._rest and (not chunk or len(self._rest) > LONGEST_LINE_BYTES):
            whole.append(self._rest)
            self._rest = b""
        lines = [line.decode("utf-8", "replace").rstrip() for line in whole]
        lines = [line for line in lines if line]
        self.tail.extend(lines)
        return lines, not chunk

    def is_alive(self) -> bool:
        """Return whether the process runs."""
        return self.popen is not None and self.popen.poll() is None

    def hangs(self) -> bool:
        """Return whether it once gave signs of life and gives none any more."""
        age = heartbeat.age_seconds(self.heartbeat_file)
        return age is not None and age > heartbeat.STALE_SECONDS

    def bury(self) -> None:
        """Forget a process that ended, with whatever it left in its session."""
        if self.popen is not None:
            kill_group(self.popen)
            self.popen.wait()
            if self.popen.stdout is not None:
                self.popen.stdout.close()
            self.popen = None

    def plan_restart(self) -> bool:
        """Set the time of the next start; return False when it failed too often."""
        now = time.monotonic()
        self.failures.append(now)
        recent = [moment for moment in self.failures if now - moment <= FAILURE_WINDOW_SECONDS]
        if len(recent) >= FAILURES_ALLOWED:
            return False
        backoff = FIRST_BACKOFF_SECONDS * 2 ** (len(recent) - 1)
        self.restart_at = now + min(backoff, LONGEST_BACKOFF_SECONDS)
        return True
