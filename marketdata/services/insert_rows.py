"""Small batches into a table in one statement, without the ORM and without a temporary table."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connections

from domain.errors import PlumblineError

SQL_TYPE = re.compile(r"[a-z][a-z0-9 ]*(\(\d+(,\d+)?\))?(\[\])?")


class BadRowError(PlumblineError):
    """A row holds something no column can keep exactly: NaN, naive time, a numpy scalar."""

    code = "bad_row"


def insert_rows(
    *,
    table: str,
    columns: Sequence[tuple[str, str]],
    rows: Sequence[Sequence[Any]],
    on_conflict: str = "",
    returning: Sequence[str] = (),
    using: str = "default",
) -> list[tuple[Any, ...]]:
    """Insert `rows` in their order with one statement; return the `returning` columns in it.

    `columns` are (name, SQL type); `on_conflict` is the clause after ON CONFLICT, such as
    `DO NOTHING`, and what it skips is not returned. Floats arrive to the bit, Decimals and
    instants exactly; a list fills an array column, anything plain a jsonb one (which Django's
    connection returns as text).
    """
    if not rows:
        return []
    connection = connections[using]
    quote = connection.ops.quote_name
    names = ", ".join(quote(name) for name, _ in columns)
    # json, not jsonb: number tokens reach float8's own reader untouched, so -0.0 survives too.
    statement = (
        f"INSERT INTO {quote(table)} ({names})"
        f" SELECT {names} FROM ROWS FROM"
        f" (json_to_recordset(%s::json) AS ({_definitions(columns, quote)}))"
        f" WITH ORDINALITY AS given ({names}, place_in_batch) ORDER BY place_in_batch"
    )
    if on_conflict:
        statement += f" ON CONFLICT {on_conflict.replace('%', '%%')}"
    if returning:
        statement += f" RETURNING {', '.join(quote(name) for name in returning)}"
    document = rows_document([name for name, _ in columns], rows)
    with connection.cursor() as cursor:
        cursor.execute(statement, [document])
        return cursor.fetchall() if returning else []


def rows_document(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return the rows as one JSON text; refuses what JSON would bend."""
    try:
        records = [dict(zip(names, row, strict=True)) for row in rows]
        return json.dumps(records, default=_plain, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        raise BadRowError(f"cannot be stored: {error}") from None


def _plain(value: Any) -> Any:
    """Return the text PostgreSQL reads back exactly."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise BadRowError(f"{value} is no amount")
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise BadRowError(f"naive time {value}: every instant carries its zone")
        return value.isoformat()
    if isinstance(value, date | UUID):
        return str(value)
    raise BadRowError(f"{type(value).__name__} {value!r} is no plain value: convert it first")


def _definitions(columns: Sequence[tuple[str, str]], quote: Any) -> str:
    for name, sql_type in columns:
        if not SQL_TYPE.fullmatch(sql_type):
            raise BadRowError(f"column {name} has an unknown type '{sql_type}'")
    return ", ".join(f"{quote(name)} {sql_type}" for name, sql_type in columns)
