"""Splits into the record, each once."""

from collections.abc import Sequence
from decimal import Decimal

from domain.bars import Split
from domain.money import from_float
from marketdata.services.insert_rows import insert_rows

EIGHT_DECIMALS = Decimal("0.00000001")


def record_splits(*, instrument_id: int, splits: Sequence[Split], source: str) -> int:
    """Store the splits not known yet; return how many. A stored split is never changed."""
    stored = insert_rows(
        table="marketdata_split",
        columns=(
            ("instrument_id", "bigint"),
            ("effective_at", "timestamptz"),
            ("ratio", "numeric(16,8)"),
            ("source", "varchar(80)"),
        ),
        rows=[
            (instrument_id, split.effective_at, _eight(split.ratio), source[:80])
            for split in splits
        ],
        on_conflict="DO NOTHING",
        returning=("id",),
    )
    return len(stored)


def _eight(ratio: float) -> Decimal:
    return from_float(ratio).quantize(EIGHT_DECIMALS)
