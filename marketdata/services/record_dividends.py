"""Dividend factors into the record, each once."""

from collections.abc import Sequence
from decimal import Decimal

from domain.money import from_float
from marketdata.adjustment import DividendFactor
from marketdata.services.insert_rows import insert_rows

TEN_DECIMALS = Decimal("0.0000000001")


def record_dividends(
    *, instrument_id: int, dividends: Sequence[DividendFactor], source: str
) -> int:
    """Store the factors not known yet; return how many. A stored one is never changed.

    A factor above 1 is no dividend and is passed over.
    """
    stored = insert_rows(
        table="marketdata_dividend",
        columns=(
            ("instrument_id", "bigint"),
            ("effective_at", "timestamptz"),
            ("factor", "numeric(12,10)"),
            ("source", "varchar(80)"),
        ),
        rows=[
            (
                instrument_id,
                one.effective_at,
                from_float(one.factor).quantize(TEN_DECIMALS),
                source[:80],
            )
            for one in dividends
            if 0 < one.factor <= 1
        ],
        on_conflict="DO NOTHING",
        returning=("id",),
    )
    return len(stored)
