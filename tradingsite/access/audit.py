"""The audit chain: every audited event becomes a row, in the transaction of what happened."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

from domain.bus import listen
from domain.events import Audited, Event
from marketdata.services.insert_rows import insert_rows

FIRST_PREV = "0" * 64
LOCK_CLASS = 7_240_601
COLUMNS = (
    ("shard", "bigint"),
    ("seq", "bigint"),
    ("actor", "text"),
    ("action", "text"),
    ("subject", "text"),
    ("body", "text"),
    ("prev", "text"),
    ("hash", "text"),
)


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """The last link of one shard."""

    seq: int
    hash: str


def register() -> None:
    """Begin to write audit rows for what services publish."""
    listen(write_audit_rows)


def write_audit_rows(events: Sequence[Event]) -> None:
    """Append the audited events to their chains: one look, one insert, whatever their number."""
    audited = [event for event in events if isinstance(event, Audited)]
    if not audited:
        return
    # Without a transaction of the publisher's, lock and insert still belong together.
    with transaction.atomic(savepoint=False):
        ends = _chain_ends(sorted({event.shard for event in audited}))
        rows = []
        for event in audited:
            end = ends.get(event.shard, ChainEnd(0, FIRST_PREV))
            body = _body(event, end.seq + 1)
            link = hashlib.sha256((end.hash + body).encode()).hexdigest()
            rows.append(_row(event, end, body, link))
            ends[event.shard] = ChainEnd(end.seq + 1, link)
        insert_rows(table="tradingsite_audit", columns=COLUMNS, rows=rows)


def _chain_ends(shards: list[int]) -> dict[int, ChainEnd]:
    """Lock the shards' chains until commit; return the last link of each that has one.

    Halting an account holds no book lock, so the chain has a lock of its own, the last in the
    lock order. It is a statement apart, in the same round trip: the second sees what the first
    waited for.
    """
    locks = "".join("SELECT pg_advisory_xact_lock(%s, %s); " for _ in shards)
    keys = [key for shard in shards for key in (LOCK_CLASS, shard % 2**31)]
    with connection.cursor() as cursor:
        cursor.execute(
            locks + "SELECT s.shard, a.seq, a.hash FROM unnest(%s::bigint[]) AS s(shard)"
            " CROSS JOIN LATERAL (SELECT seq, hash FROM tradingsite_audit a"
            "  WHERE a.shard = s.shard ORDER BY seq DESC LIMIT 1) a",
            [*keys, shards],
        )
        return {shard: ChainEnd(seq, link) for shard, seq, link in cursor.fetchall()}


def _row(event: Audited, end: ChainEnd, body: str, link: str) -> tuple[Any, ...]:
    # The columns are for searching and may be cut; the body is the fact.
    return (
        event.shard,
        end.seq + 1,
        _column(event.actor, 60),
        _column(event.action, 40),
        _column(event.subject, 160),
        body,
        end.hash,
        link,
    )


def _column(text: str, length: int) -> str:
    return text.replace("\0", "")[:length]


def _body(event: Audited, seq: int) -> str:
    """Return the fact as canonical JSON: sorted keys, no spaces, ASCII."""
    fact = {
        "event": type(event).__name__,
        "shard": event.shard,
        "seq": seq,
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "detail": event.detail,
    }
    return json.dumps(fact, default=_plain, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} {value!r} cannot be audited")
