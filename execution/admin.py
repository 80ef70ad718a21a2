"""Admin of the execution floor: money's record, to look at."""

from typing import Any

from django.contrib import admin

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
from marketdata.admin_base import ReadOnlyAdmin, register_facts


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """Orders, each with the links back along its walk."""

    list_display = (
        *("client_order_id", "decided_at", "instrument_link", "bot_link", "side", "quantity"),
        *("filled_quantity", "state", "decision_link", "account_link"),
    )
    list_filter = ("state", "side", "account", "bot", "instrument", "decided_at")
    search_fields = ("client_order_id", "decision__signal__key", "reason")


FACTS: tuple[tuple[Any, dict[str, Any]], ...] = (
    (AllowedEdge, {"search_fields": ("from_state",), "list_filter": ("is_late_evidence",)}),
    (Book, {"search_fields": ("account__name",), "list_filter": ("account",)}),
    (EquityPoint, {"search_fields": ("account__name",), "list_filter": ("account", "closed_at")}),
    (
        Fill,
        {
            "search_fields": ("execution_id", "order__client_order_id"),
            "list_filter": ("account", "executed_at"),
            "list_display": (
                *("execution_id", "executed_at", "order_link", "quantity", "price", "fee"),
                "account_link",
            ),
        },
    ),
    (Incident, {"search_fields": ("kind", "subject"), "list_filter": ("kind", "account")}),
    (LedgerEntry, {"search_fields": ("txn__ref", "asset"), "list_filter": ("book", "account")}),
    (LedgerTxn, {"search_fields": ("ref",), "list_filter": ("account", "booked_for")}),
    (
        OrderEvent,
        {"search_fields": ("order__client_order_id",), "list_filter": ("from_state", "to_state")},
    ),
    (
        Outbox,
        {
            "search_fields": ("order__client_order_id", "reason"),
            "list_filter": ("action", "done", "dead"),
        },
    ),
    (
        PaperExecution,
        {"search_fields": ("execution_id", "client_order_id"), "list_filter": ("account",)},
    ),
    (PaperOrder, {"search_fields": ("client_order_id",), "list_filter": ("state", "account")}),
    (
        Position,
        {
            "search_fields": ("instrument__symbol", "bot__name"),
            "list_filter": ("account", "bot", "instrument"),
        },
    ),
)

register_facts(FACTS)
