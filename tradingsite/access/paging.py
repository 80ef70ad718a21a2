"""Paging by cursor: a page stays right while rows are being added, and costs the same anywhere."""

from typing import Any

from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request


class DeskPagination(CursorPagination):
    """Newest first unless the view says otherwise; the first ordering column must be unique."""

    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
    ordering = "-pk"

    def paginate_queryset(
        self, queryset: Any, request: Request, view: Any = None
    ) -> list[Any] | None:
        """Return one page; a cursor that somebody made up is not found."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValueError, TypeError, ValidationError):
            raise NotFound("the cursor is not one of ours") from None
