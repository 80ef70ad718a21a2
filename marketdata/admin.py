"""Admin of the market data floor; bars are a page under their instrument."""

from datetime import datetime
from typing import Any

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

BARS_PER_PAGE = 100
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
        (ProviderSymbol, {"search_fields": ("symbol", *BY_SYMBOL), "list_filter": ("provider",)}),
        (LateBar, {"search_fields": ("instrument__symbol",), "list_filter": ("stream",)}),
        (RejectedRow, {"search_fields": ("text", "reason"), "list_filter": ("reason",)}),
        (Seal, {"search_fields": ("stream__name",), "list_filter": ("stream", "closed_at")}),
        (Split, {"search_fields": ("instrument__symbol",), "list_filter": ("instrument",)}),
        (
            Stream,
            {"search_fields": ("name", "feed"), "list_filter": ("kind", "is_finished")},
        ),
    )
)
