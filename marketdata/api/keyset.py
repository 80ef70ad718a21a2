"""Paging of long tables by the rows' own key: equal times, and any number of them, page right."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

PAGE_SIZE = 100
LARGEST_PAGE = 1000
FORWARD, BACKWARD = "f", "b"
Key = tuple[Any, ...]


class KeysetPagination(BasePagination):
    """Pages of tuples, oldest first; a cursor is the key of a page's last (or first) row.

    The view says which series is read and hands over its rows in the order of their key.
    """

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """Return one page; a cursor that somebody made up is not found."""
        size = view.asked.get("page_size", PAGE_SIZE)
        way, after = _decoded(request.query_params.get("cursor", ""), view)
        is_forward = way == FORWARD
        if after:
            queryset = _beyond(queryset, view.series, after, is_forward=is_forward)
        if not is_forward:
            queryset = queryset.reverse()
        found = list(queryset.values_list(*view.columns)[: size + 1])
        has_more, page = len(found) > size, found[:size]
        if not is_forward:
            page.reverse()
        address = request.build_absolute_uri()
        self.next = self.previous = None
        if page and (has_more or not is_forward):
            self.next = _link(address, FORWARD, view.key_of(page[-1]))
        if page and (has_more if not is_forward else after):
            self.previous = _link(address, BACKWARD, view.key_of(page[0]))
        return page

    def get_paginated_response(self, data: Any) -> Response:
        """Return the page with the addresses of its neighbours."""
        return Response({"next": self.next, "previous": self.previous, "results": data})

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        """Describe the page."""
        link = {"type": "string", "nullable": True, "format": "uri"}
        return {
            "type": "object",
            "required": ["results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


def _beyond(
    rows: QuerySet[Any], series: Mapping[str, Any], after: Key, *, is_forward: bool
) -> QuerySet[Any]:
    """Return the rows behind the key. The plain bound on time lets the planner drop partitions."""
    time = rows.model._meta.pk.field_names[len(series)]
    way = "gt" if is_forward else "lt"
    return rows.filter(**{f"pk__{way}": (*series.values(), *after), f"{time}__{way}e": after[0]})


def _link(address: str, way: str, key: Key) -> str:
    told = [one.isoformat() if isinstance(one, datetime) else one for one in key]
    cursor = urlsafe_b64encode(json.dumps([way, *told]).encode()).decode()
    return replace_query_param(address, "cursor", cursor)


def _decoded(cursor: str, view: Any) -> tuple[str, Key]:
    if not cursor:
        return FORWARD, ()
    try:
        way, *key = json.loads(urlsafe_b64decode(cursor.encode()))
        fields: list[models.Field[Any, Any]] = view.key_fields
        if way not in {FORWARD, BACKWARD} or len(key) != len(fields):
            raise ValueError(cursor)
        # `clean` also refuses numbers that the column cannot hold.
        return way, tuple(field.clean(one, None) for field, one in zip(fields, key, strict=True))
    except (ValueError, TypeError, ValidationError):
        detail = "the cursor is not one of ours; begin again without it"
        raise NotFound(detail) from None
