"""Partitions of the tables that grow: made when rows of their time come, dropped when too old."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from django.db import connection, transaction
from django.utils import timezone

from domain.bars import Timeframe
from domain.errors import PlumblineError
from marketdata.models import Retention

# One maker at a time; the lock goes with the transaction.
PARTITION_LOCK = 20_018
LONGEST_SPAN_YEARS = 200

# Bars of these timeframes share one plain table: 500 instruments over 30 years are 4 M rows.
UNPARTITIONED = frozenset({Timeframe.H4, Timeframe.D1, Timeframe.W1})
BY_MONTH = MappingProxyType(
    {
        "marketdata_tick": "ts",
        "marketdata_quote": "ts",
        "marketdata_quotebar": "opened_at",
        "marketdata_depthlevel": "ts",
        "marketdata_bookmessage": "ts",
        "marketdata_optionquote": "observed_at",
        "marketdata_openinterest": "observed_at",
    }
)


class PartitionError(PlumblineError):
    """Rows of such a time have no place."""

    code = "no_partition"


@dataclass(frozen=True, slots=True)
class Partition:
    """One part of a table: rows of [first, before)."""

    name: str
    parent: str
    first: datetime
    before: datetime


def bar_table(timeframe: Timeframe) -> str:
    """Return the partitioned table that holds the bars of a timeframe."""
    return f"marketdata_bar_{timeframe.value}"


def partitioned_tables() -> tuple[str, ...]:
    """Return every table whose parts are made and dropped by time."""
    bars = (bar_table(one) for one in Timeframe if one not in UNPARTITIONED)
    return (*bars, *BY_MONTH)


def ensure_bar_partitions(*, timeframe: Timeframe, first: datetime, last: datetime) -> None:
    """Make the partitions for bars that open in [first, last] where they are missing."""
    if timeframe not in UNPARTITIONED:
        ensure_partitions(table=bar_table(timeframe), first=first, last=last)


def ensure_partitions(*, table: str, first: datetime, last: datetime) -> None:
    """Make the partitions for rows of [first, last] where they are missing.

    A missing one is attached as a finished table: readers and writers of others never wait.
    """
    missing = _missing(_parts(table, first, last))
    if not missing:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PARTITION_LOCK])
        for part in _missing(missing):
            cursor.execute(f'CREATE TABLE "{part.name}" (LIKE "{part.parent}" INCLUDING ALL)')
            cursor.execute(
                f'ALTER TABLE "{part.parent}" ATTACH PARTITION "{part.name}"'
                " FOR VALUES FROM (%s) TO (%s)",
                [part.first, part.before],
            )


def drop_old_partitions(*, now: datetime | None = None) -> list[str]:
    """Drop every partition that lies wholly before its table's retention; return their names."""
    kept = {one.table: one.keep_days for one in Retention.objects.exclude(keep_days=None)}
    dropped: list[str] = []
    for table in partitioned_tables():
        if table not in kept:
            continue
        oldest = (now or timezone.now()) - timedelta(days=kept[table] or 0)
        for part in existing_partitions(table):
            if part.before <= oldest:
                with connection.cursor() as cursor:
                    cursor.execute(f'DROP TABLE "{part.name}"')
                dropped.append(part.name)
    return dropped


def existing_partitions(table: str) -> list[Partition]:
    """Return the table's partitions, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass ORDER BY c.relname",
            [f'"{table}"'],
        )
        names = [name for (name,) in cursor.fetchall()]
    return [_part_named(table, name) for name in names]


def _part_named(table: str, name: str) -> Partition:
    year, _, month = name.removeprefix(f"{table}_").partition("_")
    return _part(table, datetime(int(year), int(month or 1), 1, tzinfo=UTC))


def _parts(table: str, first: datetime, last: datetime) -> list[Partition]:
    if last.year - first.year > LONGEST_SPAN_YEARS:
        raise PartitionError(f"{table}: {first:%Y} to {last:%Y} is no span of market data")
    part = _part(table, first)
    parts = [part]
    while part.before <= last:
        part = _part(table, part.before)
        parts.append(part)
    return parts


def _part(table: str, instant: datetime) -> Partition:
    """Return the partition that holds the instant: a month, or a year of bars."""
    at = instant.astimezone(UTC)
    if table in BY_MONTH:
        first = datetime(at.year, at.month, 1, tzinfo=UTC)
        before = (first + timedelta(days=32)).replace(day=1)
        return Partition(f"{table}_{at:%Y_%m}", table, first, before)
    first = datetime(at.year, 1, 1, tzinfo=UTC)
    return Partition(f"{table}_{at.year}", table, first, first.replace(year=at.year + 1))


def _missing(parts: list[Partition]) -> list[Partition]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relispartition",
            [[part.name for part in parts]],
        )
        known = {name for (name,) in cursor.fetchall()}
    return [part for part in parts if part.name not in known]
