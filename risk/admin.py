"""Admin of the risk floor: limits are edited here, through the service that records who did."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from marketdata.admin_base import LinkedAdmin, ReadOnlyAdmin, register_facts
from risk.models import Control, Decision, Halt, Profile
from risk.services.change_profile import change_profile


@admin.register(Profile)
class ProfileAdmin(LinkedAdmin):
    """Named sets of limits."""

    search_fields = ("name",)
    list_filter = ("stale_bars",)

    def save_model(self, request: HttpRequest, obj: Profile, form: Any, change: bool) -> None:  # noqa: FBT001
        """Save through the service, with the name of who did it."""
        change_profile(profile=obj, actor=request.user.get_username())

    def has_delete_permission(self, request: HttpRequest, obj: Profile | None = None) -> bool:
        """Refuse: a profile is part of what was decided."""
        return False


@admin.register(Control)
class ControlAdmin(ReadOnlyAdmin):
    """May each account trade."""

    list_display = ("__str__", "account_link", "state", "profile_link", "halt_epoch")
    list_filter = ("state", "profile")
    search_fields = ("account__name",)


register_facts(
    (
        (
            Decision,
            {
                "search_fields": ("signal__key", "reason"),
                "list_filter": ("approved", "account", "closed_at"),
                "list_display": (
                    *("id", "closed_at", "account_link", "signal_link", "approved", "reason"),
                    *("requested_quantity", "quantity", "price"),
                ),
            },
        ),
        (Halt, {"search_fields": ("reason", "actor"), "list_filter": ("account", "from_at")}),
    )
)
