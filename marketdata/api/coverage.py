"""Coverage: per series what is stored, what is missing, and what is known to be wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from typing import Any, ClassVar

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from domain.bars import Timeframe
from marketdata.api.downloads import CsvRenderer, Downloads, Table, download
from marketdata.api.history import TIMEFRAMES, values_of
from marketdata.api.read_only import instruments_called
from marketdata.services.measure_coverage import Coverage, known_series, measure_coverage

PAGE_SIZE, LARGEST_PAGE = 50, 200
COLUMNS = tuple(field.name for field in fields(Coverage) if field.name != "instrument_id")


class CoverageSerializer(serializers.Serializer[Coverage]):
    """One series; `expected` and `missing` are null where no calendar is known."""

    instrument = serializers.CharField()
    kind = serializers.CharField()
    calendar = serializers.CharField()
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES)
    first_opened_at = serializers.DateTimeField()
    last_closed_at = serializers.DateTimeField()
    bars = serializers.IntegerField()
    expected = serializers.IntegerField(allow_null=True)
    missing = serializers.IntegerField(allow_null=True)
    open_gaps = serializers.IntegerField()
    findings = serializers.IntegerField()
    revisions = serializers.IntegerField()
    source = serializers.CharField()  # type: ignore[assignment]


class CoveragePageSerializer(serializers.Serializer[Any]):
    """A page of series, and how many there are."""

    count = serializers.IntegerField()
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    results = CoverageSerializer(many=True)


class CoverageQuery(serializers.Serializer[Any]):
    """Which series, and which page of them."""

    instrument = serializers.CharField(required=False, max_length=61, default="")
    timeframe = serializers.ChoiceField(choices=TIMEFRAMES, required=False)
    page = serializers.IntegerField(required=False, min_value=1, max_value=10**6, default=1)
    page_size = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_PAGE, default=PAGE_SIZE
    )
    format = serializers.ChoiceField(choices=("json", "csv"), required=False)


@extend_schema(parameters=[CoverageQuery], responses=CoveragePageSerializer, tags=["marketdata"])
class CoverageView(Downloads, viewsets.ViewSet):
    """What is stored of every series and what is missing; `format=csv` is a download."""

    required_role = "viewer"
    renderer_classes = (JSONRenderer, CsvRenderer)
    query: ClassVar[Any] = CoverageQuery

    def list(self, request: Request) -> HttpResponseBase:
        """Return a page of series by name, or all of them as CSV."""
        asked = values_of(request, self.query)
        timeframe = asked.get("timeframe")
        if asked["instrument"]:
            instruments_called(asked["instrument"])  # refuses an unknown one
        series = known_series(
            symbol=asked["instrument"], timeframe=timeframe and Timeframe(timeframe)
        )
        if self.file_kind:
            table = Table("coverage", [None] * len(COLUMNS), COLUMNS, _chunks(series))
            return download(request._request, table, self.file_kind)
        size, page = asked["page_size"], asked["page"]
        begin = size * (page - 1)
        chosen = measure_coverage(series=series[begin : begin + size])
        address = request.build_absolute_uri()
        is_more = begin + size < len(series)
        return Response(
            {
                "count": len(series),
                "next": replace_query_param(address, "page", page + 1) if is_more else None,
                "previous": replace_query_param(address, "page", page - 1) if page > 1 else None,
                "results": [dict(zip(COLUMNS, _cells(one), strict=True)) for one in chosen],
            }
        )


def _chunks(series: Sequence[Any]) -> Iterator[Sequence[tuple[Any, ...]]]:
    for begin in range(0, len(series), LARGEST_PAGE):
        rows = measure_coverage(series=series[begin : begin + LARGEST_PAGE])
        yield [_cells(one) for one in rows]


def _cells(one: Coverage) -> tuple[Any, ...]:
    return astuple(one)[1:]
