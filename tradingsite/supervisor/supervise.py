"""The loop that runs a desk: one thread, one selector, every child in its own session."""

import json
import os
import selectors
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from domain.errors import PlumblineError
from tradingsite.embedded.children import kill_group, spawn
from tradingsite.embedded.locations import CHECKOUT
from tradingsite.embedded.services import Membership
from tradingsite.processes import Process
from tradingsite.supervisor import leftovers
from tradingsite.supervisor.console import Console
from tradingsite.supervisor.watched import FAILURES_ALLOWED, Watched

TICK_SECONDS = 0.2
SERVICES_CHECK_SECONDS = 1.0
# What stops together, and how long it has: the web and the sources of work first.
STOP_ORDER = (("web", "beat", "feed"), ("worker",))
STOP_STEPS: dict[str, tuple[tuple[signal.Signals, float], ...]] = {
    "web": ((signal.SIGTERM, 2.5),),
    "beat": ((signal.SIGTERM, 2.5),),
    "feed": ((signal.SIGTERM, 2.5),),
    # Warm first: the running task ends. Then cold: what is left is delivered again.
    "worker": ((signal.SIGTERM, 2.5), (signal.SIGQUIT, 1.5)),
}


class GaveUpError(PlumblineError):
    """A process fails too often to be restarted once more."""

    code = "gave_up"


class StoppedError(Exception):
    """Somebody asked the desk to stop."""


class Supervisor:
    """Runs processes until it is told to stop."""

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        env: dict[str, str],
        run: Path,
        console: Console,
        membership: Membership | None,
        sessions_name: str = "sessions",
    ) -> None:
        self.console = console
        self.membership = membership
        self.sessions_file = run / f"{sessions_name}.json"
        self.env = env
        self.watched = [
            Watched(process, env, run / f"heartbeat-{process.name}") for process in processes
        ]
        self.stop_requests = 0
        self.selector = selectors.DefaultSelector()
        self._services_checked_at = 0.0
        self._services_were_ready = True

    def listen_to_signals(self) -> None:
        """Turn Ctrl-C, TERM and a closed terminal into a request to stop."""
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.settimeout(0)
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._wakeup = (ours, theirs)  # kept: a collected socket would close
        self.selector.register(ours, selectors.EVENT_READ, None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._request_stop)

    def run_to_end(self, argv: Sequence[str], name: str) -> tuple[int, str]:
        """Run one command with its errors in the log; return its exit code and its output."""
        report, report_end = os.pipe()
        errors, errors_end = os.pipe()
        child = spawn(
            argv,
            cwd=CHECKOUT,
            env={**self.env, "PYTHONUNBUFFERED": "1"},
            output=report_end,
            errors=errors_end,
        )
        os.close(report_end)
        os.close(errors_end)
        try:
            with (
                os.fdopen(errors, "rb", buffering=0) as log,
                os.fdopen(report, "rb") as result,
            ):
                self._follow(child, log.fileno(), name)
                return child.wait(), result.read().decode()
        finally:
            if child.poll() is None:
                child.terminate()
            kill_group(child)
            child.wait()

    def start_all(self) -> None:
        """Start every process."""
        for watched in self.watched:
            self._start(watched)

    def run_until_stopped(self, on_ready: Callable[[], bool]) -> None:
        """Watch over the desk; `on_ready` is asked each tick until it says True."""
        ready = False
        while not self.stop_requests:
            self.pump(TICK_SECONDS)
            self._tend_processes()
            self._tend_services()
            ready = ready or on_ready()

    def pump(self, patience_seconds: float) -> None:
        """Move what the children wrote into the log; wait at most this long for more."""
        for key, _ in self.selector.select(patience_seconds):
            if key.data is None:
                self._drain_wakeup()
            else:
                self._read(key.data)

    def stop_all(self) -> None:
        """Stop the processes in order; a second Ctrl-C kills."""
        self.stop_requests = max(self.stop_requests, 1)
        for parts in STOP_ORDER:
            group = [one for one in self.watched if one.process.part in parts and one.popen]
            self._stop_group(group)
        self.sessions_file.unlink(missing_ok=True)

    def _follow(self, child: "subprocess.Popen[bytes]", descriptor: int, name: str) -> None:
        rest = b""
        while chunk := self._await_chunk(child, descriptor):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                if line.strip():
                    self.console.write(name, line.decode("utf-8", "replace").rstrip())
        if rest.strip():
            self.console.write(name, rest.decode("utf-8", "replace").rstrip())

    def _await_chunk(self, child: "subprocess.Popen[bytes]", descriptor: int) -> bytes:
        with selectors.DefaultSelector() as waiting:
            waiting.register(descriptor, selectors.EVENT_READ)
            while not waiting.select(TICK_SECONDS):
                if self.stop_requests:
                    raise StoppedError
                if child.poll() is not None:
                    return b""
        return os.read(descriptor, 65536)

    def _start(self, watched: Watched) -> None:
        descriptor = watched.start()
        self.selector.register(descriptor, selectors.EVENT_READ, watched)
        leftovers.remember(self.sessions_file, [one.popen.pid for one in self.watched if one.popen])

    def _read(self, watched: Watched) -> None:
        if watched.popen is None:
            return
        lines, ended = watched.read()
        for line in lines:
            self.console.write(watched.process.name, line)
        if ended:
            self.selector.unregister(watched.output)

    def _tend_processes(self) -> None:
        now = time.monotonic()
        for watched in self.watched:
            if watched.restart_at is not None:
                if now >= watched.restart_at:
                    self._start(watched)
            elif not watched.is_alive():
                self._after_death(watched)
            elif watched.hangs():
                self.console.say(f"{watched.process.name} gives no sign of life: restarting it")
                self._kill(watched)

    def _kill(self, watched: Watched) -> None:
        if watched.popen is not None:
            kill_group(watched.popen)
            watched.popen.wait()

    def _after_death(self, watched: Watched) -> None:
        name = watched.process.name
        code = watched.popen.returncode if watched.popen else None
        self._let_go(watched)
        if not watched.plan_restart():
            self.console.say(f"{name} failed {FAILURES_ALLOWED} times; its last lines:")
            for line in list(watched.tail):
                self.console.write(name, line)
            raise GaveUpError(f"{name} keeps failing (exit {code}); everything was stopped")
        wait = (watched.restart_at or 0.0) - time.monotonic()
        self.console.say(f"{name} ended with exit {code}: restarting it in {wait:.1f} s")

    def _let_go(self, watched: Watched) -> None:
        """Read what a dead process left in its pipe and close it."""
        if watched.popen is None:
            return
        kill_group(watched.popen)
        while watched.output in self.selector.get_map():
            lines, ended = watched.read()
            for line in lines:
                self.console.write(watched.process.name, line)
            if ended or not lines:
                self.selector.unregister(watched.output)
        watched.bury()

    def _tend_services(self) -> None:
        now = time.monotonic()
        if self.membership is None or now - self._services_checked_at < SERVICES_CHECK_SECONDS:
            return
        self._services_checked_at = now
        ready = self.membership.tend()
        if ready != self._services_were_ready:
            self.console.say("services answer again" if ready else "a service ended: restarting it")
        self._services_were_ready = ready

    def _stop_group(self, group: Sequence[Watched]) -> None:
        started = time.monotonic()
        pending = {one.process.name: list(STOP_STEPS[one.process.part]) for one in group}
        deadlines = dict.fromkeys(pending, started)
        alive = list(group)
        while alive:
            for one in list(alive):
                name = one.process.name
                if not one.is_alive():
                    self._let_go(one)
                    alive.remove(one)
                elif time.monotonic() >= deadlines[name] or self.stop_requests > 1:
                    self._press(one, pending[name], deadlines)
            self.pump(0.05)

    def _press(
        self,
        one: Watched,
        steps: list[tuple[signal.Signals, float]],
        deadlines: dict[str, float],
    ) -> None:
        """Send the next harder signal."""
        assert one.popen is not None  # noqa: S101 - alive, so started
        if not steps or self.stop_requests > 1:
            kill_group(one.popen)
            deadlines[one.process.name] = time.monotonic() + 1.0
            return
        number, patience = steps.pop(0)
        one.popen.send_signal(number)
        deadlines[one.process.name] = time.monotonic() + patience

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_requests += 1

    def _drain_wakeup(self) -> None:
        try:
            self._wakeup[0].recv(4096)
        except BlockingIOError:
            return


def answers(url: str) -> bool:
    """Return whether the page there answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def parse_report(output: str) -> dict[str, str]:
    """Return the JSON object a command printed as its last line, empty when there is none."""
    lines = output.strip().splitlines()
    report = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return {str(key): str(value) for key, value in report.items()}
