"""Write balanced ledger transactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marketdata.services.insert_rows import insert_rows

ENTRY_COLUMNS = (
    ("txn_id", "bigint"),
    ("account_id", "bigint"),
    ("book", "text"),
    ("asset", "text"),
    ("instrument_id", "bigint"),
    ("bot_id", "bigint"),
    ("amount", "numeric"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a movement."""

    book: str
    asset: str
    amount: Decimal
    instrument_id: int | None = None
    bot_id: int | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """One business fact with its entries, which sum to zero per asset."""

    ref: str
    booked_for: datetime
    entries: tuple[Entry, ...]


def book_ledger(*, account_id: int, bookings: Sequence[Booking]) -> None:
    """Insert the bookings; a `ref` booked before is an error of the caller."""
    inserted = insert_rows(
        table="execution_ledgertxn",
        columns=(("ref", "text"), ("account_id", "bigint"), ("booked_for", "timestamptz")),
        rows=[(one.ref, account_id, one.booked_for) for one in bookings],
        returning=("ref", "id"),
    )
    ids: dict[str, int] = dict(inserted)
    insert_rows(
        table="execution_ledgerentry",
        columns=ENTRY_COLUMNS,
        rows=[
            (
                ids[one.ref],
                account_id,
                entry.book,
                entry.asset,
                entry.instrument_id,
                entry.bot_id,
                entry.amount,
            )
            for one in bookings
            for entry in one.entries
            if entry.amount
        ],
    )
