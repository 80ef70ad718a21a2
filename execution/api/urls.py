"""Addresses below /api/v1/ of the execution floor."""

from execution.api import views

ROUTES = (
    ("books", views.BookView),
    ("orders", views.OrderView),
    ("order-events", views.OrderEventView),
    ("allowed-edges", views.AllowedEdgeView),
    ("outbox", views.OutboxView),
    ("fills", views.FillView),
    ("ledger-txns", views.LedgerTxnView),
    ("ledger-entries", views.LedgerEntryView),
    ("positions", views.PositionView),
    ("equity-points", views.EquityPointView),
    ("incidents", views.IncidentView),
    ("paper-orders", views.PaperOrderView),
    ("paper-executions", views.PaperExecutionView),
)
