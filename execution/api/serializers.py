"""Rows of the execution floor, for reading."""

from execution.models import (
    AllowedEdge,
    Book,
    EquityPoint,
    Fill,
    Incident,
    LedgerEntry,
    LedgerTxn,
    Order,
    OrderEvent,
    Outbox,
    PaperExecution,
    PaperOrder,
    Position,
)
from marketdata.api.read_only import facts_of

AllowedEdgeSerializer = facts_of(AllowedEdge)
BookSerializer = facts_of(Book)
EquityPointSerializer = facts_of(EquityPoint)
FillSerializer = facts_of(Fill)
IncidentSerializer = facts_of(Incident)
LedgerEntrySerializer = facts_of(LedgerEntry)
LedgerTxnSerializer = facts_of(LedgerTxn)
OrderSerializer = facts_of(Order)
OrderEventSerializer = facts_of(OrderEvent)
OutboxSerializer = facts_of(Outbox)
PaperExecutionSerializer = facts_of(PaperExecution)
PaperOrderSerializer = facts_of(PaperOrder)
PositionSerializer = facts_of(Position)
