"""Serializers for frozen dataclasses, so that an answer's shape is written once."""

import types
import typing
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

from rest_framework import serializers

from marketdata.api.read_only import PlainDecimal

PLAIN: dict[Any, tuple[type[serializers.Field[Any, Any, Any, Any]], dict[str, Any]]] = {
    str: (serializers.CharField, {}),
    int: (serializers.IntegerField, {}),
    bool: (serializers.BooleanField, {}),
    float: (serializers.FloatField, {}),
    datetime: (serializers.DateTimeField, {}),
    Decimal: (PlainDecimal, {"max_digits": 40, "decimal_places": 10}),
}


@cache  # one shape, one name in the schema
def serializer_for(kind: type) -> type[serializers.Serializer[Any]]:
    """Return a serializer that reads instances of the dataclass."""
    hints = typing.get_type_hints(kind)
    body = {field.name: _field(hints[field.name]) for field in fields(kind)}
    return type(
        f"{kind.__name__}Serializer",
        (serializers.Serializer,),
        body
        | {
            "__doc__": kind.__doc__,
        },
    )


def _field(hint: Any) -> serializers.Field[Any, Any, Any, Any]:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is types.UnionType:
        inner = next(one for one in arguments if one is not type(None))
        return _field_with(inner, allow_null=True)
    return _field_with(hint)


def _field_with(hint: Any, **options: Any) -> serializers.Field[Any, Any, Any, Any]:
    if typing.get_origin(hint) is tuple:
        inner = typing.get_args(hint)[0]
        if inner in PLAIN:
            return serializers.ListField(child=_field(inner), **options)
        return serializer_for(inner)(many=True, **options)
    if is_dataclass(hint):
        return serializer_for(hint)(**options)  # type: ignore[arg-type]
    if hint in PLAIN:
        field, needed = PLAIN[hint]
        return field(**needed, **options)
    return serializers.JSONField(**options)
