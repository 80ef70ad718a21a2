"""Admin of the desk's own tables, and the actions that reach across floors."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.models import PeriodicTask

from domain.errors import PlumblineError
from marketdata.admin_base import register_facts
from risk.admin import ControlAdmin
from risk.models import Control
from risk.services.kill_switch import engage_kill_switch, release_kill_switch
from strategies.admin import BotAdmin
from strategies.models import Bot
from strategies.services.change_bot_state import change_bot_state
from tradingsite.access.roles import Role, has_role
from tradingsite.celery import nudge
from tradingsite.models import Alert, Audit, IdempotencyKey, JobRun, JobSlot

REASON = "from the admin"

admin.site.site_header = "Plumbline"
admin.site.site_title = "Plumbline"
admin.site.index_title = "Tables of the desk"

# Its own form only adds a translation of crontabs, by an inline script that our policy refuses.
vars(admin.site.get_model_admin(PeriodicTask))["change_form_template"] = "admin/change_form.html"

register_facts(
    (
        (Alert, {"search_fields": ("kind", "object", "message"), "list_filter": ("kind",)}),
        (
            Audit,
            {
                "search_fields": ("actor", "action", "subject"),
                "list_filter": ("action", "shard", "created_at"),
                "list_display": ("__str__", "actor", "action", "subject", "created_at"),
            },
        ),
        (
            IdempotencyKey,
            {
                "search_fields": ("key",),
                "list_filter": ("status",),
                "list_display": ("key", "status", "content_type", "created_at"),
            },
        ),
        (JobRun, {"search_fields": ("name",), "list_filter": ("name", "state")}),
        (JobSlot, {"search_fields": ("name",), "list_filter": ("name",)}),
    )
)


def _for_each(
    request: HttpRequest,
    rows: QuerySet[Any],
    role: Role,
    act: Callable[[Any, str], Any],
) -> None:
    """Call the service for every row and say what came of it; nothing below the role."""
    if not has_role(request.user, role):
        messages.error(request, f"only a {role.group} may do that")
        return
    for row in rows:
        try:
            act(row, request.user.get_username())
        except PlumblineError as error:
            messages.error(request, f"{row}: {error}")
            continue
        nudge(row.account_id)
        messages.success(request, f"{row}: done")


class DeskBotAdmin(BotAdmin):
    """Bots that can be started and stopped."""

    actions = ("start", "stop")

    @admin.action(description="Start the chosen bots")
    def start(self, request: HttpRequest, rows: QuerySet[Bot]) -> None:
        """Start them through the service."""
        _for_each(request, rows, Role.TRADER, _to("running"))

    @admin.action(description="Stop the chosen bots")
    def stop(self, request: HttpRequest, rows: QuerySet[Bot]) -> None:
        """Stop them through the service; positions stay."""
        _for_each(request, rows, Role.TRADER, _to("stopped"))


def _to(state: str) -> Callable[[Bot, str], Bot]:
    def change(bot: Bot, actor: str) -> Bot:
        return change_bot_state(bot_name=bot.name, state=state, actor=actor)

    return change


class DeskControlAdmin(ControlAdmin):
    """Accounts that can be halted and let go on."""

    actions = ("engage", "release")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Control]:
        """Return the rows with their accounts, whose names the services take."""
        return super().get_queryset(request).select_related("account")

    @admin.action(description="Engage the kill switch")
    def engage(self, request: HttpRequest, rows: QuerySet[Control]) -> None:
        """Halt the chosen accounts."""
        _for_each(request, rows, Role.TRADER, _engage)

    @admin.action(description="Release the kill switch")
    def release(self, request: HttpRequest, rows: QuerySet[Control]) -> None:
        """Let the chosen accounts trade again."""
        _for_each(request, rows, Role.RISK_MANAGER, _release)


def _engage(control: Control, actor: str) -> Control:
    return engage_kill_switch(account_name=control.account.name, actor=actor, reason=REASON)


def _release(control: Control, actor: str) -> Control:
    return release_kill_switch(account_name=control.account.name, actor=actor, reason=REASON)


for _model, _page in ((Bot, DeskBotAdmin), (Control, DeskControlAdmin)):
    admin.site.unregister(_model)
    admin.site.register(_model, _page)
