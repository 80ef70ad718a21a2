"""What a replay produced: counts, hashes over every natural value, latencies."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection

# Every field but database keys and wall-clock times, in natural order.
LINES = {
    "signals": """
        SELECT s.key, a.name, coalesce(b.name, ''), i.venue, i.symbol, s.timeframe, s.closed_at,
               s.source, s.side, s.reduce_only, s.reason,
               c.value, c.raw, c.normalised, c.contributions, c.bars_from, c.bars_hash, w.label,
               d.approved, d.reason, d.requested_quantity, d.quantity, d.price, d.equity,
               d.used_before, d.requested, d.limit_value, d.price_age_ms, d.price_age_limit_ms,
               d.checks::text
        FROM strategies_signal s JOIN marketdata_account a ON a.id = s.account_id
        JOIN marketdata_instrument i ON i.id = s.instrument_id
        LEFT JOIN strategies_bot b ON b.id = s.bot_id
        LEFT JOIN mlweights_score c ON c.id = s.score_id
        LEFT JOIN mlweights_weightversion w ON w.id = c.weight_version_id
        LEFT JOIN risk_decision d ON d.signal_id = s.id
        ORDER BY s.key""",
    "orders": """
        SELECT o.client_order_id, s.key, o.leg, o.issue_no, a.name, i.venue, i.symbol,
               coalesce(b.name, ''), o.mode, o.order_type, o.side, o.quantity, o.filled_quantity,
               o.reserved, o.reduce_only, o.state, o.reason, o.decided_at
        FROM execution_order o JOIN risk_decision d ON d.id = o.decision_id
        JOIN strategies_signal s ON s.id = d.signal_id
        JOIN marketdata_account a ON a.id = o.account_id
        JOIN marketdata_instrument i ON i.id = o.instrument_id
        LEFT JOIN strategies_bot b ON b.id = o.bot_id
        ORDER BY o.client_order_id""",
    "fills": """
        SELECT f.execution_id, o.client_order_id, a.name, i.venue, i.symbol, o.side, f.quantity,
               f.price, f.fee, f.executed_at
        FROM execution_fill f JOIN execution_order o ON o.id = f.order_id
        JOIN marketdata_account a ON a.id = f.account_id
        JOIN marketdata_instrument i ON i.id = o.instrument_id
        ORDER BY f.execution_id""",
}
COUNTS = {
    "bars": "SELECT coalesce(sum(bars), 0) FROM marketdata_seal",
    "scores": "SELECT count(*) FROM mlweights_score",
    "signals": "SELECT count(*) FROM strategies_signal",
    "decisions": "SELECT count(*) FROM risk_decision",
    "orders": "SELECT count(*) FROM execution_order",
    "fills": "SELECT count(*) FROM execution_fill",
}
# Deciding instant sealed → fill committed, and its two parts: until the order stood in the
# outbox, and from the seal of the filling bar until the fill was booked.
LATENCIES = """
    SELECT extract(epoch FROM f.created_at - s.sealed_at) * 1000,
           extract(epoch FROM o.created_at - s.sealed_at) * 1000,
           extract(epoch FROM f.created_at - n.sealed_at) * 1000
    FROM execution_fill f JOIN execution_order o ON o.id = f.order_id
    JOIN marketdata_seal s ON s.closed_at = o.decided_at
    JOIN LATERAL (SELECT sealed_at FROM marketdata_seal n WHERE n.closed_at > f.executed_at
                  ORDER BY n.closed_at LIMIT 1) n ON true
    WHERE o.decided_at > %s ORDER BY f.id"""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the lockstep part began, and how long the part before it took on the wall."""

    lockstep_after: datetime
    pipelined_bars: int
    pipelined_seconds: float


def report(timing: Timing, export: Path | None) -> dict[str, Any]:
    """Return the replay's result as plain values."""
    answer: dict[str, Any] = {name: int(_value(query)) for name, query in COUNTS.items()}
    answer["final_equity"] = str(
        _value("SELECT equity FROM execution_equitypoint ORDER BY closed_at DESC LIMIT 1")
    )
    answer["hashes"] = {name: _hash(name, export) for name in LINES}
    answer["latency_ms"] = _latencies(timing.lockstep_after)
    seconds = timing.pipelined_seconds
    rate = timing.pipelined_bars / seconds if seconds > 0 and timing.pipelined_bars else None
    answer["bars_per_second"] = None if rate is None else round(rate, 1)
    return answer


def _hash(name: str, export: Path | None) -> str:
    """Return the SHA-256 of the lines; with `export` also write them, one JSON array each."""
    digest = hashlib.sha256()
    if export is None:
        for line in _lines(LINES[name]):
            digest.update(line)
    else:
        export.mkdir(parents=True, exist_ok=True)
        with (export / f"{name}.jsonl").open("wb") as file:
            for line in _lines(LINES[name]):
                digest.update(line)
                file.write(line)
    return digest.hexdigest()


def _lines(query: str) -> Iterator[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        for row in cursor:
            yield json.dumps([_plain(value) for value in row]).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _latencies(after: datetime) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(LATENCIES, (after,))
        rows = [tuple(float(value) for value in row) for row in cursor.fetchall()]
    if not rows:
        return {"p50": None, "p99": None, "fills": 0}
    whole, to_order, to_fill = (np.array(column) for column in zip(*rows, strict=True))

    def at(values: np.ndarray, percent: int) -> float:
        return round(float(np.percentile(values, percent)), 2)

    return {
        "p50": at(whole, 50),
        "p99": at(whole, 99),
        "fills": len(rows),
        "seal_to_order": {"p50": at(to_order, 50), "p99": at(to_order, 99)},
        "filling_bar_to_fill": {"p50": at(to_fill, 50), "p99": at(to_fill, 99)},
    }


def _value(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return None if row is None else row[0]
