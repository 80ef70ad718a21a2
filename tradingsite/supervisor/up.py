"""The steps of `manage.py up`, from the lock to the box that says the desk is ready."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from domain.errors import PlumblineError
from tradingsite import env
from tradingsite.embedded.locations import CHECKOUT, Locations, claim
from tradingsite.embedded.lock import FileLock, exclusive_holder
from tradingsite.embedded.service import rotate
from tradingsite.embedded.services import Membership
from tradingsite.processes import PARTS, Process, desk_processes
from tradingsite.supervisor import leftovers
from tradingsite.supervisor.console import Console, standard_console
from tradingsite.supervisor.preflight import check_database, check_port, check_redis
from tradingsite.supervisor.supervise import (
    StoppedError,
    Supervisor,
    answers,
    parse_report,
)

UP_LOCK = "up.lock"
UP_LOG = "up.log"
# After this long the box appears even if a component still reports trouble.
READY_PATIENCE_SECONDS = 60.0
HEALTH_INTERVAL_SECONDS = 0.5


class AlreadyUpError(PlumblineError):
    """Another `up` runs on the same data folder."""

    code = "already_up"


class PrepareError(PlumblineError):
    """Migration or bootstrap failed."""

    code = "prepare"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `up`."""
    parser.add_argument(
        "--only",
        choices=PARTS,
        help="run one part only; on another machine set DATABASE_URL and REDIS_URL first",
    )


def main(argv: Sequence[str]) -> int:
    """Run `up` from the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="manage.py up", description="Start the whole desk; Ctrl-C stops it."
    )
    add_arguments(parser)
    return run(parser.parse_args(argv).only)


def run(only: str | None = None) -> int:
    """Run a desk, or one part of it, until it is asked to stop; return the exit code."""
    host, port = env.host(), env.port()
    where = env.locations()
    claim(where.data)
    with FileLock(where.run / UP_LOCK) as lock:
        if only is None and not lock.try_exclusive():
            holder = exclusive_holder(where.run / UP_LOCK)
            raise AlreadyUpError(
                f"a desk already runs on {where.data} (process {holder}); stop it first, or set "
                "PLUMBLINE_DATA_DIR to another folder"
            )
        if only in (None, "web"):
            check_port(host, port)
        log = where.logs / (f"up-{only}.log" if only else UP_LOG)
        rotate(log)
        console = standard_console(log)
        try:
            return Desk(where, console, only=only, host=host, port=port).run()
        finally:
            console.close()


class Desk:
    """One run of `up`."""

    def __init__(
        self,
        where: Locations,
        console: Console,
        *,
        only: str | None,
        host: str,
        port: int,
    ) -> None:
        self.where = where
        self.console = console
        self.only = only
        self.host, self.port = host, port
        self.first_user: dict[str, str] = {}
        self._asked_at = 0.0
        self._started_at = time.monotonic()
        names = env.embedded_names()
        self.membership = Membership(where.data, names) if names else None
        self.supervisor = Supervisor(
            self._processes(),
            env={**os.environ, **self._urls()},
            run=where.run,
            console=console,
            membership=self.membership,
            sessions_name=f"sessions-{only or 'all'}",
        )

    def run(self) -> int:
        """Start everything, watch it, stop it; whatever happens, nothing is left running."""
        supervisor = self.supervisor
        supervisor.listen_to_signals()
        try:
            self._sweep()
            self._start_services()
            self._prepare()
            supervisor.start_all()
            supervisor.run_until_stopped(self._is_ready)
        except StoppedError:
            pass
        except PlumblineError as error:
            self._stop()
            sys.stderr.write(f"{error}\n")
            return 1
        except BaseException:
            self._stop()
            raise
        return self._stop()

    def _processes(self) -> list[Process]:
        every = desk_processes(host=self.host, port=self.port)
        return [one for one in every if self.only in (None, one.part)]

    def _urls(self) -> dict[str, str]:
        """Return the settings that tell the children which services to use."""
        return {
            "DATABASE_URL": env.database_url(),
            "REDIS_URL": env.redis_url(),
            "REDIS_LIVE_URL": env.redis_live_url(),
            "PLUMBLINE_DATA_DIR": str(self.where.data),
        }

    def _sweep(self) -> None:
        killed = leftovers.sweep(self.supervisor.sessions_file)
        if killed:
            self.console.say(f"ended {killed} processes that a killed run left behind")

    def _start_services(self) -> None:
        if not env.is_embedded("postgres"):
            check_database(env.database_url())
        if not env.is_embedded("redis"):
            check_redis("REDIS_URL", env.redis_url())
        if env.redis_live_url() != env.redis_url():
            check_redis("REDIS_LIVE_URL", env.redis_live_url())
        if self.membership is None:
            return
        if self.where.moved_to:
            account = self.where.account.name if self.where.account else ""
            self.console.say(
                f"PostgreSQL runs as '{account}', which cannot reach all of {CHECKOUT}: "
                f"its files are in {self.where.moved_to}"
            )
        with self.console.step(f"services ({', '.join(self.membership.names)})"):
            self.membership.join(self._leave_if_stopped)

    def _prepare(self) -> None:
        """Migrate, make the first user, set the demo up: in a process that gives memory back."""
        if self.only is not None:
            return
        with self.console.step("database, first user and demo desk"):
            command = [sys.executable, "manage.py", "prepare", "--json"]
            code, output = self.supervisor.run_to_end(command, "desk")
            self._leave_if_stopped()
            if code != 0:
                raise PrepareError("the desk could not be prepared; the lines above say why")
        self.first_user = parse_report(output)
        if self.first_user:
            self._show_password()

    def _leave_if_stopped(self) -> None:
        if self.supervisor.stop_requests:
            raise StoppedError

    def _show_password(self) -> None:
        user, password = self.first_user["user"], self.first_user["password"]
        self.console.tell_once(f"first user: {user}, password: {password} (shown once)")

    def _is_ready(self) -> bool:
        now = time.monotonic()
        if now - self._asked_at < HEALTH_INTERVAL_SECONDS:
            return False
        self._asked_at = now
        waited = now - self._started_at
        if self.only not in (None, "web"):
            self.console.say(f"{self.only} runs; Ctrl-C stops it")
            return True
        if answers(f"{self._address()}/healthz"):
            self._show_box(f"ready after {waited:.1f} s")
            return True
        if waited > READY_PATIENCE_SECONDS:
            self._show_box(f"started, but {self._address()}/healthz does not report ready yet")
            return True
        return False

    def _address(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def _show_box(self, headline: str) -> None:
        lines = [f"Plumbline is {headline}", "", f"page       {self._address()}"]
        if self.first_user:
            lines.append(
                f"sign in    {self.first_user['user']}  password {self.first_user['password']}"
                "  (shown this once)"
            )
        else:
            lines.append("sign in    as before; manage.py changepassword admin sets a new password")
        lines += [
            "mode       PAPER: no order leaves this machine",
            f"data       {self.where.data}",
            f"logs       {self.where.logs}",
            "",
            "Ctrl-C to stop",
        ]
        self.console.box(lines)

    def _stop(self) -> int:
        started = time.monotonic()
        self.console.say("stopping")
        self.supervisor.stop_all()
        if self.membership is not None and not self.membership.leave():
            self.console.say("services stay up: another command still uses them")
        self.console.say(f"stopped in {time.monotonic() - started:.1f} s")
        return 0
