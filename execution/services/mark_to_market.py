"""What every account is worth at the newest sealed closes."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.money import ZERO, notional, to_price, to_ticks
from domain.portfolio import fall
from execution.accounting import close_in_units_of
from execution.models import Book
from execution.queries import holdings
from marketdata.models import Account
from marketdata.queries import instrument_terms, last_closes


@dataclass(frozen=True, slots=True)
class Marked:
    """One account's worth now; stored equity points are made by decisions alone."""

    account: str
    as_of: datetime
    cash: Decimal
    equity: Decimal
    drawdown: Decimal


def mark_to_market(account: Account) -> Marked:
    """Return the account at the newest closes its stream has sealed."""
    book = Book.objects.get(account=account)
    held, _ = holdings(account.pk)
    terms = instrument_terms([one.instrument_id for one in held])
    closes = last_closes(
        instrument_ids=[one.instrument_id for one in held],
        timeframes=account.stream.timeframes,
        as_of=account.stream.sealed_to,
    )
    worth = ZERO
    for one in held:
        grid = terms[one.instrument_id]
        last = closes[one.instrument_id]
        close = close_in_units_of(
            last.price, closed_at=last.closed_at, splits=grid.splits, settled_to=book.settled_to
        )
        price = to_price(to_ticks(close, grid.tick_size), grid.tick_size)
        worth += notional(price, one.quantity, grid.multiplier)
    equity = book.cash + worth
    return Marked(
        account=account.name,
        as_of=account.stream.sealed_to,
        cash=book.cash,
        equity=equity,
        drawdown=fall(max(book.peak_equity, equity), equity),
    )
