"""Read views of the market data floor."""

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, viewsets

from domain.bars import Timeframe
from marketdata.api import serializers
from marketdata.api.read_only import FactFilters, refuse_unknown_parameters, view_of
from marketdata.models import Bar

AccountView = view_of(serializers.AccountSerializer, lookup="name")
BarRevisionView = view_of(serializers.BarRevisionSerializer)
DataFindingView = view_of(serializers.DataFindingSerializer)
DataGapView = view_of(serializers.DataGapSerializer)
DataImportView = view_of(serializers.DataImportSerializer, words=("sha256",))
DataRevisionView = view_of(serializers.DataRevisionSerializer)
DividendView = view_of(serializers.DividendSerializer)
InstrumentView = view_of(serializers.InstrumentSerializer, words=("venue", "symbol", "currency"))
LateBarView = view_of(serializers.LateBarSerializer)
ProviderView = view_of(serializers.ProviderSerializer, lookup="name")
ProviderSymbolView = view_of(serializers.ProviderSymbolSerializer, words=("symbol",))
RejectedRowView = view_of(serializers.RejectedRowSerializer)
RetentionView = view_of(serializers.RetentionSerializer)
SealView = view_of(serializers.SealSerializer)
SplitView = view_of(serializers.SplitSerializer)
StreamView = view_of(serializers.StreamSerializer, lookup="name")


class BarFilters(FactFilters):
    """Bars are asked for by instrument and timeframe, and by when they closed."""

    instrument = django_filters.CharFilter(
        method="by_instrument", required=True, label="SYMBOL or VENUE:SYMBOL"
    )
    timeframe = django_filters.ChoiceFilter(
        choices=[(one.value, one.value) for one in Timeframe], required=True
    )

    class Meta:
        model = Bar
        fields: tuple[str, ...] = ()


BarFilters.base_filters["from"] = django_filters.IsoDateTimeFilter(
    field_name="opened_at", lookup_expr="gte"
)
BarFilters.base_filters["to"] = django_filters.IsoDateTimeFilter(
    field_name="closed_at", lookup_expr="lte"
)


@extend_schema(tags=["marketdata"])
class BarView(mixins.ListModelMixin, viewsets.GenericViewSet[Any]):
    """The stored bars of one instrument and timeframe, oldest first, raw prices."""

    required_role = "viewer"
    serializer_class = serializers.BarSerializer
    queryset = Bar.objects.select_related("instrument")
    filterset_class = BarFilters
    ordering = "opened_at"

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the bars asked for; a misspelt filter is refused."""
        refuse_unknown_parameters(self)
        return super().filter_queryset(queryset)
