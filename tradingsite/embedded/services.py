"""Using the embedded services: join the running ones or start them for as long as we live."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tradingsite.embedded.keeper import (
    KEEPER_LOCK,
    USERS_LOCK,
    WANTED_PREFIX,
    read_states,
)
from tradingsite.embedded.locations import CHECKOUT, claim, locate
from tradingsite.embedded.lock import FileLock, exclusive_holder
from tradingsite.embedded.service import ServiceError, rotate

POLL_SECONDS = 0.03
START_PATIENCE_SECONDS = 180.0
STOP_PATIENCE_SECONDS = 20.0
KEEPER_START_SECONDS = 10.0
KEEPER_TRIES = 3


class Membership:
    """Our share in the services of one data folder."""

    def __init__(self, data_dir: Path, names: Sequence[str]) -> None:
        self.locations = locate(data_dir.resolve())
        self.names = tuple(names)
        self.users = FileLock(self.locations.run / USERS_LOCK)
        self._keeper: subprocess.Popen[bytes] | None = None
        self._keeper_started_at = 0.0
        self._young_deaths = 0

    def join(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Return when every wanted service answers; raise with the reason when one cannot.

        `on_wait` is called while waiting and may raise to give up.
        """
        claim(self.locations.data)
        self.users.take_shared()  # waits while a keeper is busy stopping
        try:
            for name in self.names:
                (self.locations.run / (WANTED_PREFIX + name)).touch()
            self._wait_for_services(on_wait)
        except BaseException:
            self.leave()
            raise

    def tend(self) -> bool:
        """Replace a keeper that was killed; return whether all services are ready."""
        states = read_states(self.locations.run)
        if not states.running:
            self._start_keeper()
        self._reap_keeper()
        return all(states.services.get(name) == "ready" for name in self.names)

    def leave(self) -> bool:
        """Let go; return True once the services have stopped, False when others use them."""
        run = self.locations.run
        holder = exclusive_holder(run / KEEPER_LOCK)
        self.users.release()
        if self._keeper is None and holder is None:
            return True
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        refused_since = None
        while time.monotonic() < deadline:
            self._reap_keeper()
            states = read_states(run)
            if not states.running:
                self._await_keepers_end(holder)
                return True
            if states.stopping or self._no_other_user():
                refused_since = None
            elif refused_since is None:
                refused_since = time.monotonic()
            elif time.monotonic() - refused_since > 0.2:
                return False
            time.sleep(POLL_SECONDS)
        return False

    def _await_keepers_end(self, holder: int | None) -> None:
        """Wait the instant between the keeper's last deed and the end of its process."""
        if self._keeper is not None:
            with suppress(subprocess.TimeoutExpired):
                self._keeper.wait(2.0)
        if holder:
            with suppress(psutil.Error):
                psutil.Process(holder).wait(1.0)

    def _no_other_user(self) -> bool:
        with FileLock(self.locations.run / USERS_LOCK) as users:
            return users.try_exclusive()

    def _wait_for_services(self, on_wait: Callable[[], None]) -> None:
        deadline = time.monotonic() + START_PATIENCE_SECONDS
        self.tend()
        while time.monotonic() < deadline:
            on_wait()
            states = read_states(self.locations.run)
            for name in self.names:
                state = states.services.get(name, "")
                if state.startswith("failed"):
                    raise ServiceError(f"{name} {state}")
            if self.tend():
                return
            time.sleep(POLL_SECONDS)
        raise ServiceError(f"the services do not answer; see {self.locations.logs}")

    def _start_keeper(self) -> None:
        if self._keeper is not None and self._keeper.poll() is None:
            if time.monotonic() - self._keeper_started_at < KEEPER_START_SECONDS:
                return  # still importing
        elif self._keeper is not None and self._keeper.returncode:
            self._after_keepers_failure()
        log = self._keeper_log()
        rotate(log)
        path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")]))
        with log.open("ab") as output:
            # In its own session, without a death signal: it outlives us if others joined.
            self._keeper = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tradingsite.embedded.keeper",
                    str(self.locations.data),
                ],
                cwd=CHECKOUT,
                env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._keeper_started_at = time.monotonic()

    def _after_keepers_failure(self) -> None:
        """Give up on a keeper that dies at once each time: it will not do better the next."""
        died_young = time.monotonic() - self._keeper_started_at < KEEPER_START_SECONDS
        self._young_deaths = self._young_deaths + 1 if died_young else 0
        if self._young_deaths >= KEEPER_TRIES:
            lines = self._keeper_log().read_text(encoding="utf-8").strip().splitlines() or [""]
            raise ServiceError(f"the services' keeper does not start: {lines[-1]}")

    def _keeper_log(self) -> Path:
        return self.locations.logs / "keeper.log"

    def _reap_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.poll()


@contextmanager
def embedded_services(data_dir: Path, names: Sequence[str]) -> Iterator[None]:
    """Have the named services running inside the block; the last user's exit stops them."""
    if not names:
        yield
        return
    membership = Membership(data_dir, names)
    membership.join()
    try:
        yield
    finally:
        membership.leave()
