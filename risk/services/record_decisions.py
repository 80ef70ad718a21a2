"""Store the answer to every signal."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal

from domain.decisions import RiskVerdict
from marketdata.services.insert_rows import insert_rows

COLUMNS = (
    ("signal_id", "bigint"),
    ("account_id", "bigint"),
    ("closed_at", "timestamptz"),
    ("approved", "boolean"),
    ("reason", "text"),
    ("requested_quantity", "numeric"),
    ("quantity", "numeric"),
    ("price", "numeric"),
    ("equity", "numeric"),
    ("used_before", "numeric"),
    ("requested", "numeric"),
    ("limit_value", "numeric"),
    ("price_age_ms", "bigint"),
    ("price_age_limit_ms", "bigint"),
    ("checks", "jsonb"),
)


def record_decisions(
    *,
    account_id: int,
    closed_at: datetime,
    equity: Decimal,
    verdicts: Sequence[tuple[int, RiskVerdict]],
) -> list[int]:
    """Insert one decision per (signal id, verdict); return the ids in the given order."""
    rows = [
        (
            signal_id,
            account_id,
            closed_at,
            verdict.approved,
            verdict.reason,
            verdict.requested_quantity,
            verdict.quantity,
            verdict.price,
            equity,
            verdict.used_before,
            verdict.requested,
            verdict.limit_value,
            verdict.price_age_ms,
            verdict.price_age_limit_ms,
            [asdict(check) for check in verdict.checks],
        )
        for signal_id, verdict in verdicts
    ]
    inserted = insert_rows(
        table="risk_decision", columns=COLUMNS, rows=rows, returning=("signal_id", "id")
    )
    ids: dict[int, int] = dict(inserted)
    return [ids[signal_id] for signal_id, _ in verdicts]
