"""Admin of the desk's own tables, and the actions that reach across floors."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django_celery_beat.models import PeriodicTask

from domain.errors import PlumblineError
from execution.queries import instruments_in_use
from marketdata.admin_base import register_facts
from risk.admin import ControlAdmin
from risk.models import Control
from risk.services.kill_switch import engage_kill_switch, release_kill_switch
from strategies.admin import BotAdmin
from strategies.models import Bot
from strategies.services.change_bot import change_bot
from strategies.services.check_terms import BotTerms
from strategies.services.create_bot import create_bot
from tradingsite.access.roles import Role, has_role
from tradingsite.celery import nudge
from tradingsite.models import Alert, Audit, IdempotencyKey, JobRun, JobSlot
from tradingsite.pipelines.bot_actions import act_on_bot

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
            said = act(row, request.user.get_username())
        except PlumblineError as error:
            messages.error(request, f"{row}: {error}")
            continue
        nudge(row.account_id)
        messages.success(request, said if isinstance(said, str) else f"{row}: done")


class BotForm(forms.ModelForm):
    """A bot's terms; what the service refuses is refused at the form."""

    actor = "admin"

    class Meta:
        model = Bot
        fields = (
            "name",
            "account",
            "strategy",
            "timeframe",
            "instruments",
            "parameters",
            "capital",
        )

    def clean(self) -> dict[str, Any]:
        """Try the service and take it back: its refusal is the form's."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                with transaction.atomic():
                    self.serve(self.actor)
                    transaction.set_rollback(True)
            except PlumblineError as error:
                raise forms.ValidationError(str(error)) from None
        return given

    def serve(self, actor: str) -> Bot:
        """Create or change the bot through its service."""
        given = self.cleaned_data
        terms = BotTerms(
            timeframe=given["timeframe"],
            instruments=tuple(given["instruments"]),
            parameters=given["parameters"] or {},
            capital=given["capital"],
        )
        if self.instance.pk is not None:
            held = instruments_in_use(self.instance.pk)
            name = Bot.objects.get(pk=self.instance.pk).name
            return change_bot(bot_name=name, terms=terms, held=held, actor=actor)
        return create_bot(
            name=given["name"],
            account=given["account"],
            strategy=given["strategy"],
            terms=terms,
            actor=actor,
        )


class DeskBotAdmin(BotAdmin):
    """Bots: made and changed through their services, and sent to work."""

    form = BotForm
    actions = ("start", "pause", "stop", "prove", "promote")
    fixed = ("name", "account_link", "strategy")
    told = ("stage", "state", "created_at_plain")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Let traders."""
        return has_role(request.user, Role.TRADER)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let traders; actions look at the role themselves."""
        return has_role(request.user, Role.TRADER)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the terms; of a bot that exists also what it is."""
        terms = ("timeframe", "instruments", "parameters", "capital")
        return [*self.fixed, *terms, *self.told] if obj else [*BotForm.Meta.fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return what a bot keeps for life, and everything for those who may only look."""
        if obj and not self.has_change_permission(request, obj):
            return self.get_fields(request, obj)
        return [*self.fixed, *self.told] if obj else []

    def save_model(self, request: HttpRequest, obj: Bot, form: Any, change: bool) -> None:  # noqa: FBT001
        """Save through the service, with the name of who did it."""
        obj.pk = form.serve(request.user.get_username()).pk

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001
        """Leave the instruments: the service has set them."""

    @admin.action(description="Start the chosen bots")
    def start(self, request: HttpRequest, rows: QuerySet[Bot]) -> None:
        """Start them; a draft is refused."""
        _for_each(request, rows, Role.TRADER, _does("start"))

    @admin.action(description="Pause the chosen bots: they only leave positions")
    def pause(self, request: HttpRequest, rows: QuerySet[Bot]) -> None:
        """Pause them."""
        _for_each(request, rows, Role.TRADER, _does("pause"))

    @admin.action(description="Stop the chosen bots")
    def stop(self, request: HttpRequest, rows: QuerySet[Bot]) -> None:
        """Stop them; positions stay."""
        _for_each(request, rows, Role.TRADER, _does("stop"))

    @admin.action(description="Check the chosen bots for look-ahead")
    def prove(self, request: HttpRequest, rows: QuerySet[Bot]) -> None:
        """Write a proof of each."""
        _for_each(request, rows, Role.TRADER, _does("check"))

    @admin.action(description="Promote the chosen bots to paper")
    def promote(self, request: HttpRequest, rows: QuerySet[Bot]) -> None:
        """Let the proven ones leave draft."""
        _for_each(request, rows, Role.TRADER, _does("promote"))


def _does(verb: str) -> Callable[[Bot, str], str]:
    def act(bot: Bot, actor: str) -> str:
        return act_on_bot(verb, bot.name, actor=actor)

    return act


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
