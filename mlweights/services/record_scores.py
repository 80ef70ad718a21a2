"""Store scores; accounts that watch the same instrument share one row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection, transaction

from marketdata.services.insert_rows import insert_rows

COLUMNS = (
    ("instrument_id", "bigint"),
    ("timeframe", "text"),
    ("closed_at", "timestamptz"),
    ("weight_version_id", "bigint"),
    ("value", "numeric"),
    ("raw", "float8[]"),
    ("normalised", "float8[]"),
    ("contributions", "float8[]"),
    ("bars_from", "timestamptz"),
    ("bars_hash", "text"),
    ("regime", "text"),
    ("volatility", "text"),
)
ScoreKey = tuple[int, str, int]


@dataclass(frozen=True, slots=True)
class NewScore:
    """One score on its way into the table."""

    instrument_id: int
    timeframe: str
    closed_at: datetime
    weight_version_id: int
    value: Decimal
    raw: tuple[float | None, ...]
    normalised: tuple[float | None, ...]
    contributions: tuple[float | None, ...]
    bars_from: datetime
    bars_hash: str
    regime: str
    volatility: str

    @property
    def key(self) -> ScoreKey:
        """Return what names the score at its instant."""
        return (self.instrument_id, self.timeframe, self.weight_version_id)


def record_scores(*, closed_at: datetime, scores: Sequence[NewScore]) -> dict[ScoreKey, int]:
    """Insert the scores of one instant in one order; return every one's id, old or new."""
    ordered = sorted(scores, key=lambda one: one.key)
    rows = [
        tuple(
            list(value) if isinstance(value, tuple) else value
            for value in (getattr(one, name) for name in NewScore.__slots__)
        )
        for one in ordered
    ]
    key_columns = ("instrument_id", "timeframe", "weight_version_id", "id")
    with transaction.atomic():
        found = insert_rows(
            table="mlweights_score",
            columns=COLUMNS,
            rows=rows,
            on_conflict="DO NOTHING",
            returning=key_columns,
        )
    ids: dict[ScoreKey, int] = {(row[0], row[1], row[2]): row[3] for row in found}
    if len(ids) < len(ordered):
        ids |= _stored(closed_at, [one.key for one in ordered if one.key not in ids])
    return ids


def _stored(closed_at: datetime, keys: Sequence[ScoreKey]) -> dict[ScoreKey, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.instrument_id, s.timeframe, s.weight_version_id, s.id FROM mlweights_score s"
            " JOIN unnest(%s::bigint[], %s::text[], %s::bigint[]) AS k(i, t, w)"
            " ON s.instrument_id = k.i AND s.timeframe = k.t AND s.weight_version_id = k.w"
            " WHERE s.closed_at = %s",
            (*([list(column) for column in zip(*keys, strict=True)]), closed_at),
        )
        return {(row[0], row[1], row[2]): row[3] for row in cursor.fetchall()}
