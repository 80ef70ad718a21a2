"""One mechanism for every read endpoint: a serializer, filters and a view made from a model.

Accounts, instruments, bots, streams and profiles are shown and asked for by their natural names,
everything else that is pointed at by its id. Decimals are text without trailing zeros.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

import django_filters
from django.db import models
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from marketdata.api.downloads import (
    CsvRenderer,
    Downloads,
    Table,
    chunks_of,
    download,
    refuse_too_many,
)
from marketdata.models import Instrument
from marketdata.queries import UnknownInstrumentError

# Relations whose target has a name that outlives its id.
NATURAL = {"account": "name", "bot": "name", "stream": "name", "profile": "name"}
INSTRUMENT = "instrument"
PAGING = ("cursor", "page_size", "format")
MOST_FACTS = 100_000
PAGE_SIZE = serializers.IntegerField(min_value=1, max_value=1000)
WORDS = (models.CharField, models.TextField)


class PlainDecimal(serializers.DecimalField):
    """A decimal as text, 12.5 for 12.5000000000."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "normalize_output": True})


@extend_schema_field(str)
class NaturalName(serializers.RelatedField[Any, Any, str]):
    """What a row points at, by name."""

    def to_representation(self, value: Any) -> str:
        """Return the name, VENUE:SYMBOL for an instrument."""
        return str(value)


class FactSerializer(serializers.ModelSerializer[Any]):
    """Every column of a model, for reading."""

    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DecimalField: PlainDecimal,
    }

    def build_relational_field(self, field_name: str, relation_info: Any) -> Any:
        """Return the field for a relation: natural where its target has a name."""
        if field_name in NATURAL or field_name in {INSTRUMENT, "instruments"}:
            options = {"read_only": True}
            return NaturalName, options | ({"many": True} if relation_info.to_many else {})
        return super().build_relational_field(field_name, relation_info)


class FactFilters(django_filters.FilterSet):
    """Filters made from a model; a malformed value is refused."""

    def by_instrument(self, queryset: QuerySet[Any], _name: str, value: str) -> QuerySet[Any]:
        """Return the rows of SYMBOL or VENUE:SYMBOL."""
        return queryset.filter(instrument_id__in=instruments_called(value))


class FactViewSet(Downloads, viewsets.ReadOnlyModelViewSet[Any]):
    """Lists and shows one kind of row to everybody signed in; `format=csv` is a download."""

    required_role = "viewer"
    renderer_classes = (JSONRenderer, CsvRenderer)
    ordering: str | Sequence[str] = "-pk"

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        """Return a page of rows, or all of them as CSV."""
        if not self.file_kind:
            return super().list(request, *args, **kwargs)
        rows = self.filter_queryset(self.get_queryset()).order_by("pk")
        refuse_too_many(rows, MOST_FACTS)
        serializer: Any = self.get_serializer()
        columns = tuple(serializer.fields)
        chunks = (
            [tuple(one.values()) for one in self.get_serializer(chunk, many=True).data]
            for chunk in chunks_of(rows.iterator(chunk_size=1000), 1000)
        )
        name = str(rows.model._meta.model_name)
        table = Table(name, [None] * len(columns), columns, chunks)
        return download(request._request, table, self.file_kind)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows asked for; a misspelt filter is refused, not ignored."""
        refuse_unknown_parameters(self)
        return super().filter_queryset(queryset)


def refuse_unknown_parameters(view: Any) -> None:
    """Raise a validation error that names every query parameter that cannot be used."""
    refuse_repeated(view.request)
    known = {*view.filterset_class.base_filters, *PAGING}
    unknown = sorted(set(view.request.query_params) - known)
    if unknown:
        names = ", ".join(sorted(known))
        errors = {key: [f"unknown parameter; known: {names}"] for key in unknown}
        raise serializers.ValidationError(errors)
    if (size := view.request.query_params.get("page_size")) is not None:
        try:
            PAGE_SIZE.run_validation(size)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({"page_size": error.detail}) from None


def refuse_repeated(request: Request) -> None:
    """Raise a validation error that names every parameter given twice: which one was meant?"""
    repeated = sorted(key for key, values in request.query_params.lists() if len(values) > 1)
    if repeated:
        raise serializers.ValidationError({key: ["given more than once"] for key in repeated})


def instruments_called(name: str) -> list[int]:
    """Return the ids of the instruments called SYMBOL, at any venue, or VENUE:SYMBOL."""
    venue, _, symbol = name.rpartition(":")
    called = Instrument.objects.filter(symbol=symbol, **({"venue": venue} if venue else {}))
    found = list(called.values_list("pk", flat=True))
    if not found:
        raise UnknownInstrumentError(f"unknown instrument '{name}'")
    return found


def facts_of(
    model: type[models.Model], *, fields: Sequence[str] | None = None, told: Sequence[str] = ()
) -> type[FactSerializer]:
    """Return the serializer of a model: all its columns, or `fields`.

    `told` are yes-or-no answers that the view computes.
    """
    answers = {name: serializers.BooleanField(read_only=True) for name in told}
    meta = type("Meta", (), {"model": model, "fields": fields or "__all__", "read_only": True})
    name = f"{model.__name__}Serializer"
    doc = f"One row of {model._meta.verbose_name_plural}."
    return type(name, (FactSerializer,), {"Meta": meta, "__doc__": doc, **answers})


def view_of(
    serializer: type[FactSerializer],
    *,
    lookup: str = "pk",
    role: str = "viewer",
    words: Sequence[str] = (),
    base: type[FactViewSet] = FactViewSet,
    told: Mapping[str, models.Exists] = MappingProxyType({}),
) -> type[FactViewSet]:
    """Return the read view of a serializer's model, one query whatever the number of rows.

    It filters by every relation, choice, yes-or-no and time column, by the `words` columns, and
    by what is `told` of each row beyond its columns.
    """
    model: type[models.Model] = serializer.Meta.model
    body = {
        "__doc__": model.__doc__,
        "__module__": model.__module__.replace(".models.", ".api."),
        "serializer_class": serializer,
        "queryset": _queryset(model).annotate(**told),
        "filterset_class": _filters(model, words, told),
        "required_role": role,
        "lookup_field": lookup,
        "lookup_value_regex": r"\d+" if lookup == "pk" else r"[^/]+",
    }
    view = type(f"{model.__name__}View", (base,), body)
    tags = [model._meta.app_label]
    return extend_schema(tags=tags)(view)


def _queryset(model: type[models.Model]) -> QuerySet[Any]:
    meta = model._meta
    joined = [name for name in (*NATURAL, INSTRUMENT) if _has_relation(model, name)]
    many = [field.name for field in meta.many_to_many]
    return model._default_manager.select_related(*joined).prefetch_related(*many)


def _has_relation(model: type[models.Model], name: str) -> bool:
    return any(field.name == name for field in model._meta.fields if field.is_relation)


def _filters(
    model: type[models.Model], words: Sequence[str], told: Iterable[str]
) -> type[FactFilters]:
    found: dict[str, django_filters.Filter] = {one: django_filters.BooleanFilter() for one in told}
    for field in model._meta.fields:
        found.update(_filters_of(field, is_word=field.name in words))
    meta = type("Meta", (), {"model": model, "fields": []})
    return type(f"{model.__name__}Filters", (FactFilters,), {"Meta": meta, **found})


def _filters_of(field: "models.Field[Any, Any]", *, is_word: bool) -> dict[str, Any]:
    name = field.name
    if name == INSTRUMENT:
        return {name: django_filters.CharFilter(method="by_instrument", label="SYMBOL")}
    if name in NATURAL and field.is_relation:
        return {name: django_filters.CharFilter(field_name=f"{name}__{NATURAL[name]}")}
    if field.is_relation:
        return {name: django_filters.NumberFilter(field_name=f"{name}_id")}
    if isinstance(field, models.DateTimeField):
        return {
            f"{name}_from": django_filters.IsoDateTimeFilter(field_name=name, lookup_expr="gte"),
            f"{name}_to": django_filters.IsoDateTimeFilter(field_name=name, lookup_expr="lte"),
        }
    if isinstance(field, models.BooleanField):
        return {name: django_filters.BooleanFilter()}
    if field.choices:
        return {name: django_filters.ChoiceFilter(choices=field.choices)}
    if is_word and isinstance(field, WORDS):
        return {name: django_filters.CharFilter()}
    if is_word:
        return {name: django_filters.NumberFilter()}
    return {}
