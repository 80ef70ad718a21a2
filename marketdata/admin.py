"""Admin of the market data floor; bars are a page under their instrument."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html

from domain.bars import Timeframe
from marketdata.admin_base import LinkedAdmin, ReadOnlyAdmin, register_facts
from marketdata.feeds.registry import load_feeds
from marketdata.models import (
    Account,
    Bar,
    BarRevision,
    DataFinding,
    DataGap,
    DataImport,
    DataRevision,
    Dividend,
    Instrument,
    LateBar,
    Provider,
    ProviderSymbol,
    RejectedRow,
    Retention,
    Seal,
    Split,
    Stream,
)
from marketdata.models.bars import TIMEFRAMES
from marketdata.services.change_setting import change_setting

BARS_PER_PAGE = 100
NAMES_SHOWN = 50
DAY_SECONDS = 86_400
BY_SYMBOL = ("instrument__symbol",)


@admin.register(Instrument)
class InstrumentAdmin(ReadOnlyAdmin):
    """Instruments; their bars, a page at a time, newest first."""

    list_display = ("__str__", "kind", "currency", "tick_size", "lot_size", "bars_link")
    list_filter = ("venue", "kind", "currency")
    search_fields = ("symbol", "venue")

    @admin.display(description="bars")
    def bars_link(self, instrument: Instrument) -> str:
        """Return the link to the instrument's bars."""
        address = reverse("admin:marketdata_instrument_bars", args=[instrument.pk])
        return format_html('<a href="{}">bars</a>', address)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every column, and the link to the bars."""
        return [*super().get_fields(request, obj), "bars_link"]

    def get_urls(self) -> list[URLPattern]:
        """Return the usual addresses and that of the bars."""
        bars = self.admin_site.admin_view(self.bars_page)
        return [
            path("<int:instrument_id>/bars/", bars, name="marketdata_instrument_bars"),
            *super().get_urls(),
        ]

    def bars_page(self, request: HttpRequest, instrument_id: int) -> HttpResponse:
        """Show the bars that opened before `before`, of one timeframe."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        instrument = get_object_or_404(Instrument, pk=instrument_id)
        chosen = request.GET.get("timeframe", "")
        known = [one.value for one in Timeframe]
        timeframe = chosen if chosen in known else Timeframe.D1.value
        bars = _bars_before(instrument, timeframe, _instant(request.GET.get("before", "")))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Bars of {instrument}",
            "instrument": instrument,
            "timeframe": timeframe,
            "timeframes": known,
            "bars": bars[:BARS_PER_PAGE],
            "before": bars[BARS_PER_PAGE - 1].opened_at.isoformat()
            if len(bars) > BARS_PER_PAGE
            else "",
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/marketdata/instrument/bars.html", context)


def _bars_before(instrument: Instrument, timeframe: str, before: datetime | None) -> list[Bar]:
    bars = Bar.objects.filter(instrument=instrument, timeframe=timeframe)
    if before is not None:
        bars = bars.filter(opened_at__lt=before)
    return list(bars.order_by("-opened_at")[: BARS_PER_PAGE + 1])


def _instant(text: str) -> datetime | None:
    """Return the aware instant written in `text`, None for anything else."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


class SettingAdmin(LinkedAdmin):
    """Rows that are set here and never deleted: other rows tell of them."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let every member of staff look."""
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        """List the app."""
        return True

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        """Save what the form holds through the service, with the name of who did it."""
        many = {field.name for field in obj._meta.many_to_many}
        given = form.cleaned_data
        change_setting(
            row=obj,
            fields=[name for name in given if name not in many],
            related={name: list(given[name]) for name in given if name in many},
            actor=request.user.get_username(),
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse; switch it off or empty it instead."""
        return False


@admin.register(Provider)
class ProviderAdmin(SettingAdmin):
    """Providers: the one place where their order, options and budgets are set."""

    list_filter = ("feed", "is_enabled", "state")
    search_fields = ("name",)


@admin.register(Retention)
class RetentionAdmin(SettingAdmin):
    """How long each partitioned table is kept."""

    search_fields = ("table",)
    list_filter = ("keep_days",)


@admin.register(ProviderSymbol)
class ProviderSymbolAdmin(SettingAdmin):
    """What providers call instruments."""

    autocomplete_fields = ("provider", "instrument")
    list_filter = ("provider",)
    search_fields = ("symbol", *BY_SYMBOL)


class StreamForm(forms.ModelForm):
    """A stream as a person sets it; what cannot work is refused in one line."""

    timeframes = forms.MultipleChoiceField(
        choices=TIMEFRAMES,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "a stream needs at least one timeframe"},
    )

    def clean_feed(self) -> str:
        """Refuse a feed that nobody registered."""
        feed = str(self.cleaned_data["feed"])
        if feed not in load_feeds():
            known = ", ".join(sorted(load_feeds()))
            raise forms.ValidationError(f"unknown feed '{feed}'; known: {known}")
        return feed

    def clean_sealed_to(self) -> datetime:
        """Refuse an instant to come: nothing would be delivered until then."""
        sealed_to: datetime = self.cleaned_data["sealed_to"]
        if sealed_to > datetime.now(UTC):
            raise forms.ValidationError("sealed_to lies in the future; it is in UTC")
        return sealed_to

    def clean(self) -> dict[str, Any]:
        """Refuse a live stream without what it is made of, and providers of any other."""
        given = self.cleaned_data
        for name in ("grace_seconds", "pace_seconds"):
            if name in given and not 0 <= given[name] <= DAY_SECONDS:
                self.add_error(name, f"between 0 and {DAY_SECONDS:,} seconds")
        for name in ("instruments", "providers"):
            if given.get("kind") == "live" and name in given and not given[name]:
                self.add_error(name, f"a live stream needs at least one {name[:-1]}")
        if given.get("kind") == "replay" and given.get("providers"):
            self.add_error("kind", "a stream with providers is live; a replay plays stored bars")
        return given


@admin.register(Stream)
class StreamAdmin(SettingAdmin):
    """Streams: what is delivered, by whom; how far the delivery is, the feed alone writes."""

    form = StreamForm
    autocomplete_fields = ("providers",)
    # Chosen rows are one field of a form each, and a form has a thousand at most.
    raw_id_fields = ("instruments",)
    list_filter = ("kind", "is_finished")
    search_fields = ("name", "feed")
    settings = (
        *("name", "kind", "feed", "timeframes", "instruments", "providers", "grace_seconds"),
        *("keep_ticks", "pace_seconds", "fast_until", "ends_at"),
    )
    written = (
        *("instrument_names", "sealed_to_plain", "heartbeat_at_plain", "data_at_plain"),
        *("is_mute", "tick_cursor", "is_finished", "created_at_plain"),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what is set; where it begins for a new one, how far it is for a stored one."""
        return [*self.settings, *(("sealed_to",) if obj is None else self.written)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return what the feed writes."""
        return [] if obj is None else [*self.written]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Let a new stream begin now."""
        now = datetime.now(UTC).replace(microsecond=0)
        return {"sealed_to": now, **super().get_changeform_initial_data(request)}

    @admin.display(description="instruments by name")
    def instrument_names(self, stream: Stream) -> str:
        """Return the first names and how many there are."""
        count = stream.instruments.count()
        names = ", ".join(str(one) for one in stream.instruments.all()[:NAMES_SHOWN])
        return names if count <= NAMES_SHOWN else f"{names} and {count - NAMES_SHOWN:,} more"


register_facts(
    (
        (Account, {"search_fields": ("name",), "list_filter": ("venue", "mode")}),
        (
            DataImport,
            {"search_fields": ("source", "sha256"), "list_filter": ("timeframe", "instrument")},
        ),
        (BarRevision, {"search_fields": BY_SYMBOL, "list_filter": ("timeframe",)}),
        (DataFinding, {"search_fields": BY_SYMBOL, "list_filter": ("kind", "state", "timeframe")}),
        (DataGap, {"search_fields": BY_SYMBOL, "list_filter": ("state", "timeframe")}),
        (DataRevision, {"search_fields": BY_SYMBOL, "list_filter": ("kind", "timeframe")}),
        (Dividend, {"search_fields": BY_SYMBOL, "list_filter": ("effective_at",)}),
        (LateBar, {"search_fields": ("instrument__symbol",), "list_filter": ("stream",)}),
        (RejectedRow, {"search_fields": ("text", "reason"), "list_filter": ("reason",)}),
        (Seal, {"search_fields": ("stream__name",), "list_filter": ("stream", "closed_at")}),
        (Split, {"search_fields": ("instrument__symbol",), "list_filter": ("instrument",)}),
    )
)
