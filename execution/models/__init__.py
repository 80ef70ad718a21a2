"""Tables of the execution floor."""

from execution.models.books import Book
from execution.models.equity import EquityPoint
from execution.models.fills import Fill
from execution.models.incidents import Incident
from execution.models.ledger import LedgerEntry, LedgerTxn
from execution.models.orders import AllowedEdge, Order, OrderEvent
from execution.models.outbox import Outbox
from execution.models.paper_venue import PaperExecution, PaperOrder
from execution.models.positions import Position

__all__ = [
    "AllowedEdge",
    "Book",
    "EquityPoint",
    "Fill",
    "Incident",
    "LedgerEntry",
    "LedgerTxn",
    "Order",
    "OrderEvent",
    "Outbox",
    "PaperExecution",
    "PaperOrder",
    "Position",
]
