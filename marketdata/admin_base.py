"""The admin's one mechanism: facts to look at, with links along the walk."""

from collections.abc import Callable, Iterable
from datetime import UTC
from decimal import Decimal
from typing import Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection, models
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from marketdata.models import DataRevision

# Long texts and lists belong on a row's own page.
TOO_LONG = (models.JSONField, models.TextField, models.BinaryField)
COLUMNS_SHOWN = 12
ENOUGH_TO_ESTIMATE = 100_000


class EstimatingPaginator(Paginator):
    """Counts large unfiltered tables by the planner's estimate: counting a million rows is slow."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, an estimate where the table is large and whole."""
        rows: Any = self.object_list  # the admin pages query sets only
        query = rows.query
        if not query.where:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass",
                    [query.model._meta.db_table],
                )
                estimate = int(cursor.fetchone()[0])
            if estimate > ENOUGH_TO_ESTIMATE:
                return estimate
        return int(rows.count())


class LinkedAdmin(admin.ModelAdmin):
    """Shows every short column; what a row points at is a link, read in the same query."""

    paginator = EstimatingPaginator
    show_full_result_count = False
    list_per_page = 50

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        super().__init__(model, site)
        fields = model._meta.fields
        for field in fields:
            if shown_as(field) != field.name:
                setattr(self, shown_as(field), _link(field) if field.is_relation else _plain(field))
        relations = tuple(field.name for field in fields if field.is_relation)
        vars(self)["list_select_related"] = relations  # this model's own
        names: dict[Any, Any] = {field.name: shown_as(field) for field in fields}
        if self.list_display == ("__str__",):
            self.list_display = self._columns()
        self.list_display = tuple(names.get(name, name) for name in self.list_display)
        self.list_display_links = (self.list_display[0],)

    def _columns(self) -> tuple[str, ...]:
        fields = [one for one in self.model._meta.fields if not isinstance(one, TOO_LONG)]
        shown = [shown_as(one) for one in fields]
        if shown and shown[0].endswith("_link"):  # a key that is itself a link leads elsewhere
            shown.insert(0, "__str__")
        return tuple(shown[:COLUMNS_SHOWN])


class ReadOnlyAdmin(LinkedAdmin):
    """Rows that nobody adds, changes or deletes here: facts, and what services keep."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let every member of staff look; the site admits nobody else."""
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        """List the app."""
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every column, links in the place of what they point at."""
        names = [
            shown_as(field)
            for field in self.model._meta.fields
            if not isinstance(field, models.BinaryField)
        ]
        return [*names, *(field.name for field in self.model._meta.many_to_many)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return every column."""
        return self.get_fields(request, obj)


class OldDataFilter(admin.SimpleListFilter):
    """Picks the rows whose bars changed after they were made."""

    title = "data changed later"
    parameter_name = "on_old_data"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer both."""
        return [("yes", "yes"), ("no", "no")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Return the rows chosen; the page annotates them."""
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(is_on_old_data=self.value() == "yes")


class OldDataAdmin(ReadOnlyAdmin):
    """Rows made of bars, which says where those bars were corrected or filled in later."""

    old_data: ClassVar[models.Exists]

    def changes_of(self, row: Any) -> "models.QuerySet[DataRevision]":
        """Return what changed the row's bars after it was made."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> "models.QuerySet[Any]":
        """Return the rows, each with the answer."""
        return super().get_queryset(request).annotate(is_on_old_data=self.old_data)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every column, and what changed later."""
        return [*super().get_fields(request, obj), "later_changes"]

    @admin.display(description="data changed later", boolean=True)
    def on_old_data(self, row: Any) -> bool:
        """Tell whether the row's bars changed after it was made."""
        return bool(row.is_on_old_data)

    @admin.display(description="data changed later")
    def later_changes(self, row: Any) -> str:
        """Return the revisions as links."""
        address = "admin:marketdata_datarevision_change"
        found = (
            (reverse(address, args=[one.pk]), one, f"{one.created_at:%Y-%m-%d %H:%M}")
            for one in self.changes_of(row)[:COLUMNS_SHOWN]
        )
        return format_html_join(mark_safe("<br>"), '<a href="{}">{}, {} UTC</a>', found) or "no"


def shown_as(field: "models.Field[Any, Any]") -> str:
    """Return the name of the admin column that shows this column of the table."""
    if field.is_relation:
        return f"{field.name}_link"
    is_plain = isinstance(field, models.DecimalField | models.DateTimeField)
    return f"{field.name}_plain" if is_plain else field.name


def _plain(field: "models.Field[Any, Any]") -> Callable[[Any], str]:
    """Return an admin column: 12.5 for 12.5000000000, instants in UTC to the second."""

    @admin.display(description=field.verbose_name, ordering=field.name)
    def column(row: Any) -> str:
        value = getattr(row, field.name)
        if value is None:
            return "-"
        if isinstance(value, Decimal):
            return f"{value.normalize():f}"
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    return column


def _link(field: "models.Field[Any, Any]") -> Callable[[Any], str]:
    """Return an admin column that links to what the row's `field` points at."""
    meta = field.related_model._meta  # type: ignore[union-attr]
    address = f"admin:{meta.app_label}_{meta.model_name}_change"

    @admin.display(description=field.verbose_name, ordering=field.name)
    def column(row: Any) -> str:
        target = getattr(row, field.name)
        if target is None:
            return "-"
        return format_html('<a href="{}">{}</a>', reverse(address, args=[target.pk]), target)

    return column


def register_facts(entries: Iterable[tuple[type[models.Model], dict[str, Any]]]) -> None:
    """Register read-only pages: per model what is searched and filtered by."""
    for model, options in entries:
        name = f"{model.__name__}Admin"
        admin.site.register(model, type(name, (ReadOnlyAdmin,), options))
