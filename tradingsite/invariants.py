"""Run the queries of invariants.sql: none may ever return a row."""

import re
from dataclasses import dataclass
from pathlib import Path

from django.db import connection, transaction

SHOWN = 5
HEADER = re.compile(r"^-- (\d+) (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Invariant:
    """One query and its name."""

    number: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Violation:
    """How many rows break an invariant, and the first few of them."""

    invariant: Invariant
    rows: int
    first: tuple[str, ...]


def invariants() -> list[Invariant]:
    """Return every invariant of the file, in its order."""
    text = (Path(__file__).parent / "invariants.sql").read_text(encoding="utf-8")
    heads = list(HEADER.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return [
        Invariant(int(head[1]), head[2], text[head.end() : end].strip().rstrip(";"))
        for head, end in zip(heads, ends, strict=True)
    ]


def violations() -> list[Violation]:
    """Return what is broken, all read from one snapshot of the database."""
    found = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        for one in invariants():
            cursor.execute(one.sql)
            rows = cursor.fetchall()
            if rows:
                first = tuple(str(tuple(row)) for row in rows[:SHOWN])
                found.append(Violation(one, len(rows), first))
    return found
