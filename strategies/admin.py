"""Admin of the strategies floor; the desk adds to bots what starts and stops them."""

from django.contrib import admin
from django.db.models import QuerySet

from marketdata.admin_base import OldDataAdmin, OldDataFilter, ReadOnlyAdmin, register_facts
from marketdata.models import DataRevision
from mlweights.queries import changes_under_score, score_on_old_data
from strategies.models import Bot, BotProof, Hold, Signal


@admin.register(Bot)
class BotAdmin(ReadOnlyAdmin):
    """Bots with what they trade."""

    list_display = (
        *("name", "stage", "state", "strategy", "timeframe", "capital", "account_link"),
        "created_at",
    )
    list_filter = ("stage", "state", "strategy", "timeframe", "account")
    search_fields = ("name", "strategy")


@admin.register(Signal)
class SignalAdmin(OldDataAdmin):
    """Signals with the score behind each."""

    old_data = score_on_old_data("score__")
    search_fields = ("key", "reason")
    list_filter = ("source", "side", OldDataFilter, "bot", "instrument", "closed_at")
    list_display = (
        *("key", "closed_at", "instrument_link", "bot_link", "side", "source"),
        *("score_link", "reason", "on_old_data"),
    )

    def changes_of(self, row: Signal) -> QuerySet[DataRevision]:
        """Return what changed the bars of the score behind the signal."""
        return changes_under_score(row.score) if row.score else DataRevision.objects.none()


register_facts(
    (
        (Hold, {"search_fields": ("bot__name",), "list_filter": ("bot", "closed_at")}),
        (
            BotProof,
            {
                "search_fields": ("bot__name", "first_difference"),
                "list_filter": ("passed", "bot", "created_at"),
            },
        ),
    )
)
