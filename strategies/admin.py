"""Admin of the strategies floor; the desk adds to bots what starts and stops them."""

from django.contrib import admin

from marketdata.admin_base import ReadOnlyAdmin, register_facts
from strategies.models import Bot, Hold, Signal


@admin.register(Bot)
class BotAdmin(ReadOnlyAdmin):
    """Bots with what they trade."""

    list_display = ("name", "state", "strategy", "timeframe", "account_link", "created_at")
    list_filter = ("state", "strategy", "timeframe", "account")
    search_fields = ("name", "strategy")


register_facts(
    (
        (Hold, {"search_fields": ("bot__name",), "list_filter": ("bot", "closed_at")}),
        (
            Signal,
            {
                "search_fields": ("key", "reason"),
                "list_filter": ("source", "side", "bot", "instrument", "closed_at"),
                "list_display": (
                    *("key", "closed_at", "instrument_link", "bot_link", "side", "source"),
                    *("score_link", "reason"),
                ),
            },
        ),
    )
)
