"""One statement, exact values, the given order."""

import json
import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketdata.services.insert_rows import BadRowError, insert_rows

COLUMNS = (
    ("number", "bigint"),
    ("amount", "numeric(40,12)"),
    ("value", "float8"),
    ("series", "float8[]"),
    ("facts", "jsonb"),
    ("at", "timestamptz"),
    ("words", "varchar(40)"),
    ("flags", "boolean[]"),
)
NAMES = [name for name, _ in COLUMNS]
T = datetime(2024, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def table(db: None) -> Iterator[str]:
    with connection.cursor() as cursor:
        definitions = ", ".join(f"{name} {sql_type}" for name, sql_type in COLUMNS)
        cursor.execute(f"CREATE TEMP TABLE given (id bigserial PRIMARY KEY, {definitions})")
        cursor.execute("CREATE UNIQUE INDEX ON given (number)")
    yield "given"
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE given")


def row(number: int = 1, **changes: Any) -> list[Any]:
    values: dict[str, Any] = dict.fromkeys(NAMES) | {"number": number} | changes
    return [values[name] for name in NAMES]


def bits(value: float) -> bytes:
    return struct.pack("<d", value)


def test_insert_rows_when_every_type_returns_equal_values(table: str) -> None:
    given_row = [
        2**62,
        Decimal("123456789012345678901234.000000000001"),
        0.1,
        [0.1, None, -2.5e-308],
        {"a": [1, 2.5, None], "b": {"c": 'text "quoted" ü'}},
        T,
        "it's 100 % \\ fine",
        [True, False],
    ]
    returned = insert_rows(table=table, columns=COLUMNS, rows=[given_row], returning=NAMES)
    stored = list(returned[0])
    stored[4] = json.loads(stored[4])
    assert stored == given_row


def test_insert_rows_when_none_stores_null(table: str) -> None:
    returned = insert_rows(table=table, columns=COLUMNS, rows=[row()], returning=NAMES)
    assert returned == [(1, None, None, None, None, None, None, None)]


def test_insert_rows_when_other_zone_keeps_the_instant(table: str) -> None:
    kolkata = T.astimezone(timezone(timedelta(hours=5, minutes=30)))
    returned = insert_rows(table=table, columns=COLUMNS, rows=[row(at=kolkata)], returning=["at"])
    assert returned == [(T,)]


def test_insert_rows_when_unsorted_keeps_the_given_order(table: str) -> None:
    numbers = [(7919 * index) % 1999 for index in range(1999)]
    returned = insert_rows(
        table=table,
        columns=COLUMNS,
        rows=[row(number) for number in numbers],
        returning=["id", "number"],
    )
    assert [number for _, number in returned] == numbers
    ids = [identity for identity, _ in returned]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_insert_rows_when_key_exists_skips_it(table: str) -> None:
    insert_rows(table=table, columns=COLUMNS, rows=[row(2)])
    returned = insert_rows(
        table=table,
        columns=COLUMNS,
        rows=[row(3), row(2), row(1)],
        on_conflict="DO NOTHING",
        returning=["number"],
    )
    assert returned == [(3,), (1,)]


def test_insert_rows_when_conflict_updates_returns_new_value(table: str) -> None:
    insert_rows(table=table, columns=COLUMNS, rows=[row(2, words="old 100%")])
    returned = insert_rows(
        table=table,
        columns=COLUMNS,
        rows=[row(2, words="new")],
        on_conflict="(number) DO UPDATE SET words = excluded.words WHERE given.words LIKE 'old%'",
        returning=["words"],
    )
    assert returned == [("new",)]


def test_insert_rows_when_many_rows_is_one_statement(table: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        insert_rows(table=table, columns=COLUMNS, rows=[row(number) for number in range(50)])
    assert len(captured) == 1


def test_insert_rows_when_no_rows_asks_nothing(table: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert insert_rows(table=table, columns=COLUMNS, rows=[], returning=["id"]) == []
    assert len(captured) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"value": math.nan},
        {"value": math.inf},
        {"series": [1.0, math.nan]},
        {"facts": {"deep": [math.nan]}},
        {"amount": Decimal("NaN")},
        {"amount": Decimal("Infinity")},
        {"at": datetime(2024, 3, 1)},
        {"number": np.int64(4)},
        {"series": np.array([1.0])},
        {"words": b"bytes"},
    ],
)
def test_insert_rows_when_value_would_bend_refuses(table: str, changes: dict[str, Any]) -> None:
    with pytest.raises(BadRowError):
        insert_rows(table=table, columns=COLUMNS, rows=[row(1), row(**{"number": 2, **changes})])
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM given")
        assert cursor.fetchone() == (0,)


def test_insert_rows_when_row_is_short_refuses(table: str) -> None:
    with pytest.raises(BadRowError):
        insert_rows(table=table, columns=COLUMNS, rows=[row()[:-1]])


def test_insert_rows_when_type_is_no_type_refuses(table: str) -> None:
    with pytest.raises(BadRowError, match="unknown type"):
        insert_rows(table=table, columns=[("number", "bigint); DROP")], rows=[[1]])


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_insert_rows_when_any_float_keeps_every_bit(table: str, values: list[float]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE given")
    rows = [row(number, value=value, series=values) for number, value in enumerate(values)]
    returned = insert_rows(table=table, columns=COLUMNS, rows=rows, returning=["value", "series"])
    assert [bits(value) for value, _ in returned] == [bits(value) for value in values]
    assert [bits(value) for value in returned[-1][1]] == [bits(value) for value in values]
