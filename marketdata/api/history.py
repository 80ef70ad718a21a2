"""One mechanism for every series: what happened to one instrument between two instants.

A model says all of it by its key: instrument, timeframe where it has one, time, and what orders
rows of one time. Rows are plain tuples; a view may change them, as adjusted bars are.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.request import Request

from domain.bars import Timeframe
from marketdata.api.downloads import Downloads, Table, chunks_of, download, refuse_too_many
from marketdata.api.keyset import LARGEST_PAGE, PAGE_SIZE, Key, KeysetPagination
from marketdata.api.read_only import facts_of, refuse_repeated
from marketdata.models import Instrument
from marketdata.queries import find_instruments

SERIES = ("instrument_id", "timeframe")
FORMATS = ("json", "csv", "parquet")
TIMEFRAMES = [one.value for one in Timeframe]
Row = tuple[Any, ...]


class Instant(serializers.DateTimeField):
    """An instant with its zone: guessing one shifts every row."""

    default_error_messages: ClassVar[dict[str, Any]] = {
        "no_zone": "give the zone too, such as 2024-01-02T09:15:00Z"
    }

    def to_internal_value(self, value: Any) -> datetime:
        """Return the aware instant."""
        found = super().to_internal_value(value)
        try:
            given = parse_datetime(str(value))
        except ValueError:
            given = None
        if given is None or given.tzinfo is None:
            self.fail("no_zone")
        return found


def query_of(name: str, **more: serializers.Field[Any, Any, Any, Any]) -> Any:
    """Return the serializer of a view's query parameters."""
    paging = {
        "cursor": serializers.CharField(required=False),
        "page_size": serializers.IntegerField(
            required=False, min_value=1, max_value=LARGEST_PAGE, default=PAGE_SIZE
        ),
        "format": serializers.ChoiceField(choices=FORMATS, required=False),
    }
    return type(f"{name}Query", (serializers.Serializer,), {**more, **paging})


def values_of(request: Request, query: Any) -> dict[str, Any]:
    """Return the parameters of a request as values; one unknown or given twice is refused."""
    refuse_repeated(request)
    asked = query(data=request.query_params.dict())
    unknown = sorted(set(request.query_params) - set(asked.fields))
    if unknown:
        known = ", ".join(sorted(asked.fields))
        raise serializers.ValidationError(
            {key: [f"unknown parameter; known: {known}"] for key in unknown}
        )
    asked.is_valid(raise_exception=True)
    return dict(asked.validated_data)


class HistoryViewSet(Downloads, viewsets.GenericViewSet[Any]):
    """The rows of one instrument, oldest first."""

    required_role = "viewer"
    pagination_class = KeysetPagination
    filter_backends = ()
    model: ClassVar[type[models.Model]]
    query: ClassVar[Any]
    asked: dict[str, Any]
    instrument: Instrument

    def list(self, request: Request) -> HttpResponseBase:
        """Return a page of rows, or all of them as a file."""
        self.asked = values_of(request, self.query)
        [self.instrument] = find_instruments([self.asked["instrument"]])
        rows = self.wanted(self.model._default_manager.filter(**self.series).order_by(*self.key))
        if kind := self.file_kind:
            refuse_too_many(rows)
            return download(request._request, self._table(rows), kind)
        page = self.changed(self.paginate_queryset(rows) or [])
        return self.get_paginated_response(
            [dict(zip(self.headings, self._named(row), strict=True)) for row in page]
        )

    @property
    def series(self) -> dict[str, Any]:
        """Return which series is asked for: the leading columns of the key."""
        timeframe = self.asked.get("timeframe")
        found = {"instrument_id": self.instrument.pk}
        return found | ({"timeframe": timeframe} if timeframe else {})

    @property
    def key(self) -> tuple[str, ...]:
        """Return the columns that order the rows of a series; the first is their time."""
        return key_of(self.model)

    @property
    def key_fields(self) -> "Sequence[models.Field[Any, Any]]":
        """Return the columns of the key."""
        return [self.model._meta.get_field(name) for name in self.key]  # type: ignore[misc]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns that are read."""
        return tuple(field.attname for field in fields_of(self.model))

    @property
    def headings(self) -> tuple[str, ...]:
        """Return what the columns are called in the answer."""
        return tuple(field.name for field in fields_of(self.model))

    def key_of(self, row: Row) -> Key:
        """Return a row's key within its series."""
        return tuple(row[self.columns.index(name)] for name in self.key)

    def wanted(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of [from, to); of bars, those that closed by `to`."""
        since, before = self.asked.get("from"), self.asked.get("to")
        time = self.key[0]
        if since:
            rows = rows.filter(**{f"{time}__gte": since})
        if before:
            # Both bounds of a bar: the one on its opening is what partitions are made by.
            rows = rows.filter(**{f"{time}__lt": before})
            if "closed_at" in self.columns:
                rows = rows.filter(closed_at__lte=before)
        return rows

    def changed(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows as they are shown."""
        return rows

    def _named(self, row: Row) -> Row:
        return (str(self.instrument), *row[1:])

    def _table(self, rows: QuerySet[Any]) -> Table:
        parts = (self.model._meta.model_name, self.instrument, self.asked.get("timeframe"))
        columns: list[Any] = [None, *fields_of(self.model)[1:]]
        name = "-".join(str(part) for part in parts if part)
        return Table(name, columns, self.headings, self._chunks(rows))

    def _chunks(self, rows: QuerySet[Any]) -> Iterator[Sequence[Row]]:
        # A cursor of the server: one snapshot, and only a chunk of it here.
        for chunk in chunks_of(rows.values_list(*self.columns).iterator(chunk_size=10_000)):
            yield [self._named(row) for row in self.changed(chunk)]


def fields_of(model: type[models.Model]) -> "list[models.Field[Any, Any]]":
    """Return the model's columns, the instrument first."""
    return [one for one in model._meta.fields if not isinstance(one, models.CompositePrimaryKey)]


def key_of(model: type[models.Model]) -> tuple[str, ...]:
    """Return the columns of a model's key that order the rows of one series."""
    return tuple(name for name in _key_names(model) if name not in SERIES)


def _key_names(model: type[models.Model]) -> tuple[str, ...]:
    key: Any = model._meta.pk
    return tuple(key.field_names)


def history_of(
    model: type[models.Model],
    base: type[HistoryViewSet] = HistoryViewSet,
    **more: serializers.Field[Any, Any, Any, Any],
) -> type[HistoryViewSet]:
    """Return the view of a model's history; `more` are parameters that `base` understands."""
    name = model.__name__
    parameters: dict[str, Any] = {
        "instrument": serializers.CharField(max_length=61, help_text="SYMBOL or VENUE:SYMBOL"),
        "from": Instant(required=False),
        "to": Instant(required=False),
    }
    if "timeframe" in _key_names(model):
        parameters["timeframe"] = serializers.ChoiceField(choices=TIMEFRAMES)
    query = query_of(name, **parameters, **more)
    body = {
        "__doc__": f"{model.__doc__} Oldest first; `format=csv` or `parquet` is a download.",
        "__module__": __name__,
        "model": model,
        "query": query,
        "queryset": model._default_manager.all(),
        "serializer_class": facts_of(model, fields=[one.name for one in fields_of(model)]),
    }
    view = type(f"{name}View", (base,), body)
    return extend_schema(parameters=[query], tags=["marketdata"])(view)
