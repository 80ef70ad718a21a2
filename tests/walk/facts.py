"""What a walk leaves behind, by natural keys and logical times: equal runs have equal facts."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from execution.models import Book, EquityPoint, Fill, LedgerEntry, Order, OrderEvent, Position
from mlweights.models import Score
from risk.models import Decision
from strategies.models import Hold, Signal
from tradingsite.pipelines import trading

BEGIN, END = datetime(2005, 1, 1, tzinfo=UTC), datetime(2006, 1, 1, tzinfo=UTC)
STOCKS = ("AAPL", "IBM", "MSFT")  # AAPL splits 2 for 1 in February 2005
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Facts:
    """Everything but database keys and wall-clock times."""

    scores: Rows
    signals: Rows
    decisions: Rows
    orders: Rows
    fills: Rows
    equity: Rows
    positions: Rows
    ledger: Rows
    books: Rows
    holds: Rows


def facts() -> Facts:
    """Return the record of every account."""
    return Facts(
        scores=_rows(
            Score, "instrument__symbol", "timeframe", "closed_at", "weight_version__label", "value",
            "raw", "normalised", "contributions", "bars_from", "bars_hash",
        ),
        signals=_rows(
            Signal, "key", "account__name", "side", "reduce_only", "reason", "score__value"
        ),
        decisions=_rows(
            Decision, "signal__key", "approved", "reason", "requested_quantity", "quantity",
            "price", "equity", "used_before", "requested", "limit_value", "checks",
        ),
        orders=_rows(
            Order, "client_order_id", "decision__signal__key", "side", "quantity",
            "filled_quantity", "state", "reserved", "decided_at",
        ),
        fills=_rows(
            Fill, "execution_id", "order__client_order_id", "quantity", "price", "fee",
            "executed_at",
        ),
        equity=_rows(EquityPoint, "account__name", "closed_at", "cash", "equity"),
        positions=_rows(
            Position, "account__name", "instrument__symbol", "bot__name", "quantity", "cost",
            "realised", "fees",
        ),
        ledger=_rows(
            LedgerEntry, "account__name", "txn__booked_for", "book", "asset", "bot__name", "amount"
        ),
        books=_rows(Book, "account__name", "cash", "peak_equity", "settled_to", "decided_to"),
        holds=_rows(Hold, "bot__name", "closed_at", "symbols", "values", "reasons"),
    )  # fmt: skip


def events_per_order() -> dict[str, list[tuple[str, str]]]:
    """Return each order's edges, oldest first."""
    found: dict[str, list[tuple[str, str]]] = {}
    edges = OrderEvent.objects.order_by("order_id", "seq")
    for client_id, *edge in edges.values_list("order__client_order_id", "from_state", "to_state"):
        found.setdefault(client_id, []).append((edge[0], edge[1]))
    return found


def forget() -> None:
    """Make this process know as little as a new one."""
    trading._folds.clear()
    trading._desks.clear()


def _rows(model: Any, *columns: str) -> Rows:
    return sorted(model.objects.values_list(*columns), key=repr)
