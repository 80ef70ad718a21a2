"""Rows in bulk: numpy columns, binary COPY into a temporary table, one statement into the record.

One mechanism for every large table; what a table needs beyond its columns is in its `Table` row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from django.db import connection

from domain.bars import IntArray
from domain.errors import PlumblineError
from marketdata.services.partitions import ensure_partitions

POSTGRES_EPOCH_MICROS = 946_684_800_000_000
LINE = "line"
TEXT = "S"

# SQL type -> numpy's type of one value in PostgreSQL's binary COPY format.
WIRE = MappingProxyType(
    {
        "bigint": ">i8",
        "integer": ">i4",
        "smallint": ">i2",
        "boolean": "?",
        "float8": ">f8",
        "timestamptz": ">i8",
        "text": TEXT,
    }
)
Columns = tuple[tuple[str, str], ...]


class StagingError(PlumblineError):
    """The columns handed in are not those of the table."""

    code = "bad_columns"


@dataclass(frozen=True, slots=True)
class Table:
    """A large table: its columns beside `instrument_id` and `source_id`, its key, its time."""

    name: str
    columns: Columns
    key: tuple[str, ...]
    time: str


def _floats(*names: str) -> Columns:
    return tuple((name, "float8") for name in names)


TRADE_MARKS: Columns = (("exchange", "text"), ("cond", "text"), ("is_suspicious", "boolean"))
TICKS = Table(
    "marketdata_tick",
    (
        *(("ts", "timestamptz"), ("seq", "integer")),
        *_floats("price", "size"),
        ("side", "smallint"),
        *TRADE_MARKS,
        ("trade_id", "bigint"),
    ),
    ("ts", "seq"),
    "ts",
)
QUOTES = Table(
    "marketdata_quote",
    (
        *(("ts", "timestamptz"), ("seq", "integer")),
        *_floats("bid", "bid_size", "ask", "ask_size"),
        *TRADE_MARKS,
    ),
    ("ts", "seq"),
    "ts",
)
QUOTE_BARS = Table(
    "marketdata_quotebar",
    (
        *(("timeframe", "text"), ("opened_at", "timestamptz"), ("closed_at", "timestamptz")),
        *_floats("bid_open", "bid_high", "bid_low", "bid_close", "bid_size"),
        *_floats("ask_open", "ask_high", "ask_low", "ask_close", "ask_size"),
    ),
    ("timeframe", "opened_at"),
    "opened_at",
)
DEPTH_LEVELS = Table(
    "marketdata_depthlevel",
    (
        *(("ts", "timestamptz"), ("seq", "bigint"), ("place", "integer")),
        *(("is_snapshot", "boolean"), ("side", "smallint")),
        *_floats("price", "quantity"),
        ("update_id", "bigint"),
    ),
    ("ts", "seq", "place"),
    "ts",
)
BOOK_MESSAGES = Table(
    "marketdata_bookmessage",
    (
        *(("ts", "timestamptz"), ("seq", "integer"), ("received_at", "timestamptz")),
        *(("action", "text"), ("side", "smallint")),
        *_floats("price", "size"),
        *(("order_id", "bigint"), ("flags", "smallint"), ("venue_seq", "bigint")),
    ),
    ("ts", "seq"),
    "ts",
)
OPTION_QUOTES = Table(
    "marketdata_optionquote",
    (
        *(("instrument_id", "bigint"), ("observed_at", "timestamptz")),
        *_floats("bid", "bid_size", "ask", "ask_size", "last", "volume"),
        *_floats("open_interest", "open_interest_change", "implied_volatility"),
    ),
    ("observed_at",),
    "observed_at",
)
OPEN_INTEREST = Table(
    "marketdata_openinterest",
    (
        *(("instrument_id", "bigint"), ("observed_at", "timestamptz")),
        ("open_interest", "float8"),
    ),
    ("observed_at",),
    "observed_at",
)


@dataclass(frozen=True, slots=True)
class StagedRows:
    """What became of staged rows; `differing` are lines whose key holds other values already."""

    inserted: int
    unchanged: int
    differing: tuple[int, ...] = ()


class Staging:
    """A temporary table that takes any number of rows by binary COPY, inside one transaction."""

    def __init__(self, name: str, columns: Columns) -> None:
        self.table = f"coming_in_{name}"
        self.columns: Columns = ((LINE, "bigint"), *columns)

    def __enter__(self) -> Self:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self.columns)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE {self.table} ({columns}) ON COMMIT DROP")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # After an error the transaction is rolled back, and the table with it.
        if kind is None:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE {self.table}")

    def add(self, values: Mapping[str, Any], line: IntArray) -> None:
        """Copy rows in; `line` is where each came from.

        One array per column: instants are epoch microseconds; a NaN float, and a masked value of
        a numpy masked array, is NULL.
        """
        given = {LINE: line, **values}
        if given.keys() != {name for name, _ in self.columns}:
            raise StagingError(f"{self.table}: columns {sorted(given)} are not the table's")
        with connection.cursor() as cursor:
            cursor.copy_expert(
                f"COPY {self.table} FROM STDIN (FORMAT binary)",
                BytesIO(copy_bytes(self.columns, given)),
            )

    def span(self, column: str) -> tuple[datetime, datetime] | None:
        """Return the first and last instant staged, None when nothing was."""
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT min("{column}"), max("{column}") FROM {self.table}')
            first, last = cursor.fetchone()
        return None if first is None else (first, last)


class TableStaging(Staging):
    """Rows of one of the large tables between bars, on their way in."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.name.removeprefix("marketdata_"), table.columns)
        self.into = table

    def store(self, *, instrument_id: int | None, source_id: int | None = None) -> StagedRows:
        """Bring the rows into the record; a key that is there keeps its values.

        `instrument_id` is None where the rows carry their own. Rows of one key: the first counts.
        """
        span = self.span(self.into.time)
        if span is None:
            return StagedRows(0, 0)
        ensure_partitions(table=self.into.name, first=span[0], last=span[1])
        names = [name for name, _ in self.into.columns]
        # Texts come padded to one length: see `copy_bytes`.
        staged = [
            f'rtrim("{name}")' if kind == "text" else f'"{name}"'
            for name, kind in self.into.columns
        ]
        owns = "instrument_id" in names
        into = ", ".join(f'"{name}"' for name in names)
        key = ["instrument_id", *self.into.key]
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {self.into.name} ({'' if owns else 'instrument_id, '}{into},"
                f" source_id) SELECT {'' if owns else '%(instrument)s, '}{', '.join(staged)},"
                f" %(source)s FROM {self.table} ORDER BY line ON CONFLICT DO NOTHING",
                {"instrument": instrument_id, "source": source_id},
            )
            inserted = cursor.rowcount
            cursor.execute(f"SELECT count(*) FROM {self.table}")
            (total,) = cursor.fetchone()
            if inserted == total:
                return StagedRows(inserted, 0)
            same = " AND ".join(
                f't."{name}" = '
                + ("%(instrument)s" if name == "instrument_id" and not owns else f's."{name}"')
                for name in key
            )
            values = ", ".join(f't."{name}"' for name in names)
            theirs = ", ".join(one.replace('"', 's."', 1) for one in staged)
            cursor.execute(
                f"SELECT s.line FROM {self.table} s JOIN {self.into.name} t ON {same}"
                f" WHERE ({values}) IS DISTINCT FROM ({theirs}) ORDER BY s.line",
                {"instrument": instrument_id},
            )
            differing = tuple(line for (line,) in cursor.fetchall())
        return StagedRows(inserted, total - inserted - len(differing), differing)


def copy_bytes(columns: Columns, values: Mapping[str, Any]) -> bytes:
    """Return the rows in PostgreSQL's binary COPY format.

    Every record is laid out at its full length first; where values are NULL, their length says
    -1 and their bytes are left out. Texts are padded with spaces to the longest of their column.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    wires = {name: _wire(kind, values[name]) for name, kind in columns}
    for name, _ in columns:
        fields += [(f"{name} length", ">i4"), (name, wires[name].dtype.str)]
    layout = np.dtype(fields)
    records = np.empty(len(values[columns[0][0]]), dtype=layout)
    records["fields"] = len(columns)
    missing: dict[str, Any] = {}
    for name, _ in columns:
        records[name] = wires[name]
        records[f"{name} length"] = wires[name].dtype.itemsize
        is_missing = _is_missing(values[name])
        if is_missing is not None and is_missing.any():
            missing[name] = is_missing
            records[f"{name} length"][is_missing] = -1
    return b"PGCOPY\n\xff\r\n\x00" + bytes(8) + _without(records, missing) + b"\xff\xff"


def _wire(kind: str, values: Any) -> Any:
    """Return the column as PostgreSQL reads it."""
    plain = np.ma.getdata(values)
    if kind == "timestamptz":
        return (plain - POSTGRES_EPOCH_MICROS).astype(">i8")
    if kind == "text":
        encoded = np.char.encode(plain.astype(str), "utf-8")
        return np.char.ljust(encoded, max(1, encoded.dtype.itemsize))
    return plain.astype(WIRE[kind])


def _is_missing(values: Any) -> Any:
    if np.ma.isMaskedArray(values):
        return np.ma.getmaskarray(values)
    if getattr(values, "dtype", None) is not None and values.dtype.kind == "f":
        return np.isnan(values)
    return None


def _without(records: Any, missing: Mapping[str, Any]) -> bytes:
    """Return the records' bytes without those of missing values."""
    if not missing:
        return bytes(records.tobytes())
    layout = records.dtype
    keep = np.ones((len(records), layout.itemsize), dtype=np.bool_)
    for name, is_missing in missing.items():
        kind, at = layout.fields[name][:2]
        keep[:, at : at + kind.itemsize] = ~is_missing[:, None]
    laid_out = records.view(np.uint8).reshape(len(records), layout.itemsize)
    return bytes(laid_out[keep].tobytes())
