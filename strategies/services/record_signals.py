"""Store what the bots wanted, and what they left alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata.services.insert_rows import insert_rows


@dataclass(frozen=True, slots=True)
class NewSignal:
    """One signal on its way into the table."""

    key: str
    account_id: int
    bot_id: int | None
    instrument_id: int
    timeframe: str
    closed_at: datetime
    source: str
    side: int
    reduce_only: bool
    score_id: int | None
    reason: str
    strength: str
    buy_threshold: int
    sell_threshold: int


@dataclass(frozen=True, slots=True)
class NewHold:
    """What one bot left alone at one instant; four columns of equal length."""

    bot_id: int
    closed_at: datetime
    symbols: tuple[str, ...]
    scores: tuple[int | None, ...]
    values: tuple[Decimal | None, ...]
    reasons: tuple[str, ...]


SIGNAL_COLUMNS = (
    ("key", "text"),
    ("account_id", "bigint"),
    ("bot_id", "bigint"),
    ("instrument_id", "bigint"),
    ("timeframe", "text"),
    ("closed_at", "timestamptz"),
    ("source", "text"),
    ("side", "smallint"),
    ("reduce_only", "boolean"),
    ("score_id", "bigint"),
    ("reason", "text"),
    ("strength", "text"),
    ("buy_threshold", "bigint"),
    ("sell_threshold", "bigint"),
)
HOLD_COLUMNS = (
    ("bot_id", "bigint"),
    ("closed_at", "timestamptz"),
    ("symbols", "text[]"),
    ("scores", "bigint[]"),
    ("values", "numeric[]"),
    ("reasons", "text[]"),
)


def record_signals(*, signals: Sequence[NewSignal]) -> list[int]:
    """Insert the signals; return their ids in the given order."""
    rows = [tuple(getattr(one, name) for name in NewSignal.__slots__) for one in signals]
    inserted = insert_rows(
        table="strategies_signal", columns=SIGNAL_COLUMNS, rows=rows, returning=("key", "id")
    )
    ids: dict[str, int] = dict(inserted)
    return [ids[one.key] for one in signals]


def record_holds(*, holds: Sequence[NewHold]) -> None:
    """Insert the holds."""
    insert_rows(
        table="strategies_hold",
        columns=HOLD_COLUMNS,
        rows=[
            (
                one.bot_id,
                one.closed_at,
                list(one.symbols),
                list(one.scores),
                list(one.values),
                list(one.reasons),
            )
            for one in holds
        ],
    )
