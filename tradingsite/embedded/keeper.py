"""The process that runs the embedded services while somebody uses them.

Every command holds a shared lock on `users.lock`. The first one starts a keeper; the keeper
stops the services and ends when it can have that lock for itself. So commands come and go in
any order, a killed command counts as gone, and Ctrl-C never reaches a server directly.
"""

import json
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from domain.errors import PlumblineError
from tradingsite.embedded.cluster import SERVICES, build
from tradingsite.embedded.locations import Locations, locate
from tradingsite.embedded.lock import FileLock, exclusive_holder
from tradingsite.embedded.service import Service

USERS_LOCK = "users.lock"
KEEPER_LOCK = "keeper.lock"
STATES_FILE = "services.json"
WANTED_PREFIX = "wanted-"
TICK_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0


@dataclass
class Kept:
    """One service and what the keeper knows about it."""

    service: Service
    state: str = "starting"  # starting, ready, failed: <why>
    was_ready: bool = False
    failures: int = 0
    start_after: float = 0.0

    def tend(self, now: float) -> None:
        """Start what is down, notice what became ready."""
        if self.state.startswith("failed"):
            return
        try:
            if self.service.is_alive():
                self._look(now)
            elif now >= self.start_after:
                self._start_again(now)
        except (PlumblineError, OSError) as error:
            if self.was_ready:  # it worked before: keep trying
                note(f"{self.service.name}: {error}")
                self._back_off(now)
            else:
                self.state = f"failed: {error}"
                note(f"{self.service.name} {self.state}")

    def _look(self, now: float) -> None:
        if self.state == "ready" and now < self.start_after:
            return
        self.start_after = now + 2.0
        if self.state != "ready" and self.service.is_ready():
            self.state, self.was_ready = "ready", True
            note(f"{self.service.name} is ready")

    def _start_again(self, now: float) -> None:
        if self.state == "ready":
            note(f"{self.service.name} ended: {self.service.last_words()}")
            self.failures = 0
        elif self.service.process is not None:
            if not self.was_ready:
                self.state = f"failed: {self.service.last_words()}"
                return
            self._back_off(now)
        self.state = "starting"
        self.service.start()

    def _back_off(self, now: float) -> None:
        self.failures += 1
        self.start_after = now + min(0.2 * 2**self.failures, LONGEST_BACKOFF_SECONDS)


class Keeper:
    """Runs wanted services until the last user has gone."""

    def __init__(self, locations: Locations) -> None:
        self.locations = locations
        self.users = FileLock(locations.run / USERS_LOCK)
        self.kept: dict[str, Kept] = {}
        self.asked_to_end = False

    def run(self) -> None:
        """Tend the services; end in order when nobody uses them or a signal says so."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        self.publish()
        while not self.asked_to_end and not self.users.try_exclusive():
            self._adopt_wishes()
            for kept in self.kept.values():
                kept.tend(time.monotonic())
            self.publish()
            time.sleep(TICK_SECONDS)
        self.stop()

    def stop(self) -> None:
        """Stop Redis, then PostgreSQL, and forget the wishes."""
        self.publish(stopping=True)
        for name in SERVICES:
            if name in self.kept:
                self.kept[name].service.stop()
        if not self.asked_to_end:  # else users are left, and a new keeper must know their wishes
            for wish in self.locations.run.glob(WANTED_PREFIX + "*"):
                wish.unlink()
        (self.locations.run / STATES_FILE).unlink(missing_ok=True)
        note("stopped")

    def publish(self, *, stopping: bool = False) -> None:
        """Write what users wait for."""
        states = {name: kept.state for name, kept in self.kept.items()}
        body = json.dumps({"pid": os.getpid(), "stopping": stopping, "services": states})
        path = self.locations.run / STATES_FILE
        with suppress(FileNotFoundError):
            if path.read_text(encoding="utf-8") == body:
                return
        draft = path.with_suffix(".new")
        draft.write_text(body, encoding="utf-8")
        draft.replace(path)

    def _adopt_wishes(self) -> None:
        for name in SERVICES:
            if name not in self.kept and (self.locations.run / (WANTED_PREFIX + name)).exists():
                self.kept[name] = Kept(build(self.locations.data, name))

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.asked_to_end = True


@dataclass(frozen=True)
class States:
    """What the running keeper says; `running` is false when there is none."""

    running: bool
    stopping: bool
    services: dict[str, str]


def read_states(run: Path) -> States:
    """Return what the keeper of this folder last said."""
    holder = exclusive_holder(run / KEEPER_LOCK)
    if holder is None:
        return States(running=False, stopping=False, services={})
    try:
        said = json.loads((run / STATES_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        said = {}
    if said.get("pid") != holder:  # left by a killed one
        return States(running=True, stopping=False, services={})
    return States(running=True, stopping=said["stopping"], services=said["services"])


def note(line: str) -> None:
    """Write one line to the keeper's log."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    sys.stderr.write(f"{stamp} {line}\n")
    sys.stderr.flush()


def main(data_dir: Path) -> None:
    """Keep the services of `data_dir`; leaves at once when another keeper does."""
    locations = locate(data_dir)
    with FileLock(locations.run / KEEPER_LOCK) as only_one:
        deadline = time.monotonic() + 1.0
        while not only_one.try_exclusive():  # a look at the lock holds it for an instant
            taken = exclusive_holder(only_one.path) is not None
            if taken or time.monotonic() > deadline:
                return
            time.sleep(0.01)
        keeper = Keeper(locations)
        try:
            keeper.run()
        finally:
            for kept in keeper.kept.values():
                kept.service.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
