"""The sandbox's database: a copy of an empty migrated one, filled with what a replay needs."""

import hashlib
import inspect
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import psycopg2
from django.conf import settings
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT
from psycopg2.extensions import connection as Connection  # noqa: N812

from domain.bars import Timeframe
from domain.errors import PlumblineError
from marketdata.services.partitions import ensure_bar_partitions
from tradingsite import env

SANDBOX = "plumbline_sandbox"
TEMPLATE = "plumbline_template"
NAME = re.compile(r"[a-z0-9_]+")


class SandboxBusyError(PlumblineError):
    """The very same replay is running already."""

    code = "sandbox_busy"


class SandboxError(PlumblineError):
    """The sandbox could not be made."""

    code = "sandbox"


def sandbox_name(arguments: str) -> str:
    """Return the database name that stands for these arguments."""
    return own_prefix(SANDBOX) + hashlib.sha256(arguments.encode()).hexdigest()[:12]


def own_prefix(kind: str) -> str:
    """Return what this desk's databases of a kind begin with: two desks may share a server.

    The advisory locks below hold within one desk's database, so names must not cross desks.
    """
    desk = str(connections["default"].settings_dict["NAME"])
    return f"{kind}_{hashlib.sha256(desk.encode()).hexdigest()[:6]}_"


@contextmanager
def sole_user(name: str) -> Iterator[None]:
    """Hold the sandbox: the same replay twice at once is refused."""
    with closing(_connect(None)) as desk, desk.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (name,))
        row = cursor.fetchone()
        if row is None or not row[0]:
            raise SandboxBusyError("this very replay is already running; wait for it to end")
        yield


def exists(name: str) -> bool:
    """Tell whether the sandbox's database is there."""
    with closing(_connect(None)) as desk, desk.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
        return cursor.fetchone() is not None


def create(name: str) -> None:
    """Make the sandbox's database from the migrated template."""
    template = _template()
    with closing(_connect(None)) as desk, desk.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE {_quoted(template)}")


def drop(name: str) -> None:
    """Remove the sandbox's database, whoever is still connected."""
    with closing(_connect(None)) as desk, desk.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")


def url_of(name: str) -> str:
    """Return the URL of the sandbox's database."""
    return env.with_database_name(env.database_url(), name)


@contextmanager
def using(name: str) -> Iterator[None]:
    """Let Django's connections lead to the sandbox meanwhile."""
    before = {alias: connections[alias].settings_dict["NAME"] for alias in ("default", "venue")}
    try:
        for alias in before:
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = name
        yield
    finally:
        for alias, old in before.items():
            connections[alias].close()
            connections[alias].settings_dict["NAME"] = old


def copy_market(
    name: str, instrument_ids: Sequence[int], timeframes: Sequence[str], until: datetime
) -> None:
    """Copy the instruments, their bars closed by `until`, and what is known of both."""
    with closing(_connect(None)) as desk, closing(_connect(name)) as sandbox:
        ids = ", ".join(str(int(one)) for one in instrument_ids)
        ours = f"instrument_id IN ({ids})"
        with desk.cursor() as cursor:
            asked = (list(timeframes),)
            series = cursor.mogrify(f"{ours} AND timeframe = ANY(%s)", asked).decode()
            closed = cursor.mogrify(f"{series} AND closed_at <= %s", (until,)).decode()
            cursor.execute(
                "SELECT timeframe, min(opened_at), max(opened_at) FROM marketdata_bar"
                f" WHERE {closed} GROUP BY timeframe"
            )
            spans = cursor.fetchall()
        with using(name):
            for timeframe, first, last in spans:
                ensure_bar_partitions(timeframe=Timeframe(timeframe), first=first, last=last)
        parts = {
            # Underlyings first: an instrument may point at another one.
            "marketdata_instrument": f"id IN ({ids}) OR id IN"
            f" (SELECT underlying_id FROM marketdata_instrument WHERE id IN ({ids}))"
            " ORDER BY underlying_id NULLS FIRST",
            "marketdata_split": ours,
            "marketdata_bar": closed,
            "marketdata_barrevision": series,
            "marketdata_datarevision": series,
            "marketdata_datagap": series,
            "mlweights_regimemodel": series,
        }
        for table, where in parts.items():
            _pipe(desk, sandbox, table, f"SELECT * FROM {table} WHERE {where}")
        with sandbox.cursor() as cursor:
            cursor.execute("ANALYZE marketdata_bar")


def _pipe(desk: Connection, sandbox: Connection, table: str, query: str) -> None:
    """Copy the rows of one query through a temporary file; both databases have one schema."""
    with io.BytesIO() as buffer, desk.cursor() as source, sandbox.cursor() as sink:
        source.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", buffer)
        buffer.seek(0)
        sink.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", buffer)


def _template() -> str:
    """Return the name of an empty database with every migration applied, made once per schema."""
    digest = hashlib.sha256()
    for _, migration in sorted(MigrationLoader(None).disk_migrations.items()):
        digest.update(Path(inspect.getfile(type(migration))).read_bytes())
    prefix = own_prefix(TEMPLATE)
    name = prefix + digest.hexdigest()[:12]
    with closing(_connect(None)) as desk, desk.cursor() as cursor:
        # One maker at a time; the lock goes with the connection.
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (prefix,))
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (prefix + "%",))
        for (old,) in cursor.fetchall():
            if old == name:
                return name
            cursor.execute(f"DROP DATABASE IF EXISTS {_quoted(old)}")
        making = name + "_new"
        cursor.execute(f"DROP DATABASE IF EXISTS {_quoted(making)} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {_quoted(making)} TEMPLATE template0")
        _migrate(making)
        cursor.execute(f"ALTER DATABASE {_quoted(making)} RENAME TO {_quoted(name)}")
    return name


def _migrate(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url_of(name), "REDIS_URL": env.redis_url()},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SandboxError(f"the sandbox's tables could not be made: {last}")


def _connect(name: str | None) -> Connection:
    """Return an autocommit connection to the desk's server; None: to the desk's database."""
    own = connections["default"].get_connection_params()
    chosen = {**own, "dbname": name} if name else own
    for key in ("cursor_factory", "context"):
        chosen.pop(key, None)
    made = psycopg2.connect(**chosen)
    made.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
    return made


def _quoted(name: str) -> str:
    if not NAME.fullmatch(name):
        raise SandboxError(f"'{name}' is no database name of ours")
    return f'"{name}"'


def redis_folder(name: str) -> Path:
    """Return where the sandbox's throwaway Redis lives."""
    return env.data_dir() / "sandbox" / name.rpartition("_")[2]
