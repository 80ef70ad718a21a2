"""PostgreSQL 18 from the wheel, run in the foreground, reachable through one private socket."""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path

import psycopg2

from tradingsite.embedded.addresses import (
    DATABASE,
    PASSWORD_FILE,
    ROLE,
    embedded_database_url,
)
from tradingsite.embedded.children import spawn, stop
from tradingsite.embedded.locations import (
    POSTGRES_PACKAGE,
    POSTGRES_SOCKET,
    Locations,
    make_folder,
    make_private,
    state_folder,
    wheel_folder,
)
from tradingsite.embedded.secret_files import random_text, read_or_make
from tradingsite.embedded.service import Service, ServiceError, rotate

STOP_STEPS = ((signal.SIGINT, 6.0), (signal.SIGQUIT, 1.5))

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "jit": "off",  # costs more than it saves on statements of a few milliseconds
    "io_method": "sync",  # no extra processes on a small machine
    # Parallel plans need /dev/shm, which containers keep at 64 MB.
    "max_parallel_workers_per_gather": "0",
    # The password has 256 random bits: stretching it only slows down each connection.
    "scram_iterations": "1",
}
# For clusters thrown away with their test: a power cut may take them.
FAST_SETTINGS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


class Postgres(Service):
    """The embedded database server of one data folder."""

    name = "postgres"
    program = "postgres"

    def __init__(self, locations: Locations, *, durable: bool = True) -> None:
        super().__init__(folder=locations.postgres_data, log=locations.logs / "postgres.log")
        self.locations = locations
        self.settings = SETTINGS if durable else SETTINGS | FAST_SETTINGS
        self._has_database = False

    @property
    def url(self) -> str:
        """Return the URL of the desk's database."""
        return embedded_database_url(self.locations)

    def start(self) -> None:
        """Create the cluster on first use, clear leftovers, start the server."""
        where = self.locations
        if where.moved_to:
            make_folder(where.moved_to, 0o711)
        copy_binaries(where.postgres_binaries)
        make_folder(where.postgres_data.parent, 0o711)
        make_private(where.postgres_sockets, where.account)
        self._ensure_cluster()
        self.await_leftovers()
        self._remove_stale_locks()
        rotate(self.log)
        options = self.settings | {"unix_socket_directories": str(where.postgres_sockets)}
        arguments = [part for pair in options.items() for part in ("-c", "=".join(pair))]
        with self.log.open("ab") as log:
            self.process = spawn(
                [
                    where.postgres_binaries / "bin" / "postgres",
                    "-D",
                    self.folder,
                    *arguments,
                ],
                cwd=self.folder,
                env=_environment(),
                death_signal=signal.SIGINT,  # a fast shutdown: connections cut, nothing lost
                account=where.account,
                output=log,
            )

    def is_ready(self) -> bool:
        """Return whether it accepts connections; creates the desk's database the first time."""
        try:
            connection = psycopg2.connect(
                embedded_database_url(self.locations, "postgres"), connect_timeout=5
            )
        except psycopg2.OperationalError as error:
            if "authentication failed" in str(error):
                raise ServiceError(
                    f"PostgreSQL in {self.folder} does not know the password in "
                    f"{self.locations.data / 'secrets' / PASSWORD_FILE}: restore that file"
                ) from None
            return False
        try:
            self._ensure_database(connection)
        finally:
            connection.close()
        return True

    def stop(self) -> None:
        """Shut down fast: open transactions roll back, everything committed stays."""
        if self.process is not None:
            stop(self.process, STOP_STEPS)
            self.process = None
        if self.locations.postgres_sockets.parent != self.folder.parent / "run":
            with suppress(OSError):
                self.locations.postgres_sockets.rmdir()

    def dismiss_leftover(self, pid: int) -> None:
        """Ask a postmaster whose keeper is dead to end; its backends follow it."""
        if pid == self._recorded_pid():
            os.kill(pid, signal.SIGINT)

    def _recorded_pid(self) -> int | None:
        try:
            first = (self.folder / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0]
        except FileNotFoundError:
            return None
        return int(first) if first.isdecimal() else None

    def _ensure_cluster(self) -> None:
        if (self.folder / "PG_VERSION").exists():
            found = (self.folder / "PG_VERSION").read_text(encoding="utf-8").strip()
            if found != "18":
                raise ServiceError(f"{self.folder} was made by PostgreSQL {found}, ours is 18")
            self._check_owner()
            return
        # Made aside and renamed: a first start that was killed leaves no half cluster.
        draft = self.folder.with_name("postgres.new")
        shutil.rmtree(draft, ignore_errors=True)
        make_private(draft, self.locations.account)
        password_file = draft.with_name("postgres.new.password")
        self._write_for_account(password_file, read_or_make(self.locations.data, PASSWORD_FILE))
        try:
            self._run_initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self.folder)

    def _check_owner(self) -> None:
        account = self.locations.account
        wanted = account.uid if account else os.geteuid()
        if self.folder.stat().st_uid != wanted:
            raise ServiceError(f"{self.folder} belongs to another user than PostgreSQL runs as")

    def _run_initdb(self, folder: Path, password_file: Path) -> None:
        with self.log.open("ab") as log:
            process = spawn(
                [
                    self.locations.postgres_binaries / "bin" / "initdb",
                    f"--pgdata={folder}",
                    f"--username={ROLE}",
                    f"--pwfile={password_file}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    # Sorts alike on every machine, whatever its C library.
                    "--locale=C",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                    "--set=scram_iterations=1",
                ],
                cwd=folder,
                env=_environment(),
                account=self.locations.account,
                output=log,
            )
        if process.wait() != 0:
            raise ServiceError(f"PostgreSQL could not make its data folder: {self.last_words()}")

    def _write_for_account(self, path: Path, value: str) -> None:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(value)
            if self.locations.account:
                os.fchown(
                    file.fileno(),
                    self.locations.account.uid,
                    self.locations.account.gid,
                )

    def _remove_stale_locks(self) -> None:
        """Remove the lock files of a dead server: their process id may be a zombie or reused.

        PostgreSQL would refuse to start twice. Safe only after `await_leftovers`, and because
        the keeper's lock lets one process alone come here.
        """
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        for name in (POSTGRES_SOCKET, POSTGRES_SOCKET + ".lock"):
            (self.locations.postgres_sockets / name).unlink(missing_ok=True)

    def _ensure_database(self, connection: "psycopg2.extensions.connection") -> None:
        if self._has_database:
            return
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {DATABASE}")
        self._has_database = True


def copy_binaries(wanted: Path) -> None:
    """Copy the wheel's server to `wanted` when that lies in root's state folder."""
    if not wanted.is_relative_to(state_folder()) or wanted.exists():
        return
    package = wheel_folder()
    target = wanted.parent.parent
    draft = target.with_name(f".{target.name}.{random_text()[:8]}")
    umask = os.umask(0o022)
    try:
        shutil.copytree(
            package / wanted.name,
            draft / package.name / wanted.name,
            ignore=shutil.ignore_patterns("include", "*.a"),
        )
        libraries = package.with_name(f"{POSTGRES_PACKAGE}.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
        draft.replace(target)
    finally:
        os.umask(umask)
        shutil.rmtree(draft, ignore_errors=True)


def _environment() -> dict[str, str]:
    """Return an environment without the user's PG* variables and locale."""
    return {"PATH": os.defpath, "LANG": "C", "LC_ALL": "C", "TZ": "UTC"}
