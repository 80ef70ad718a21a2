"""Rows as a file: CSV or Parquet, streamed, so that no table has to fit into memory."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from domain.errors import PlumblineError

LARGEST_DOWNLOAD = 1_000_000
ROWS_AT_ONCE = 10_000
# A spreadsheet takes a text that begins so for a formula, and runs it.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class TooManyRowsError(PlumblineError):
    """The download would be larger than one answer should be."""

    code = "too_many_rows"


class CsvRenderer(JSONRenderer):
    """Offers CSV; what it prints itself are errors, as JSON."""

    media_type = "text/csv"
    format = "csv"


class ParquetRenderer(JSONRenderer):
    """Offers Parquet; what it prints itself are errors, as JSON."""

    media_type = "application/vnd.apache.parquet"
    format = "parquet"


class Downloads(APIView):
    """A view that answers in JSON, or with a file when `format` or the Accept header asks."""

    renderer_classes: Sequence[type[BaseRenderer]] = (JSONRenderer, CsvRenderer, ParquetRenderer)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:  # noqa: FBT001, FBT002  (the framework's signature)
        """Return the renderer; an unknown format is a wrong value, not a missing page."""
        try:
            return super().perform_content_negotiation(request, force)
        except Http404:
            known = ", ".join(one.format for one in self.renderer_classes)
            raise ValidationError({"format": [f"one of {known}"]}) from None

    @property
    def file_kind(self) -> str:
        """Return csv or parquet, '' when JSON is asked for."""
        kind = self.request.accepted_renderer.format
        return "" if kind == "json" else str(kind)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be written: a name for the file, a column for each cell, chunks of rows."""

    name: str
    columns: Sequence["models.Field[Any, Any] | None"]
    headings: Sequence[str]
    chunks: Iterable[Sequence[Sequence[Any]]]


class Writer(Protocol):
    """Turns chunks of rows into bytes."""

    def __call__(self, table: Table) -> Iterator[bytes]: ...


def refuse_too_many(rows: QuerySet[Any], largest: int = LARGEST_DOWNLOAD) -> None:
    """Raise where more rows match than one download carries."""
    if rows.values_list(rows.model._meta.pk.attname)[largest : largest + 1].exists():
        raise TooManyRowsError(
            f"more than {largest:,} rows match; narrow them with from and to, or follow the pages"
        )


def chunks_of(rows: Iterable[Any], size: int = ROWS_AT_ONCE) -> Iterator[list[Any]]:
    """Return the rows in lists of at most `size`."""
    chunk: list[Any] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def download(request: HttpRequest, table: Table, kind: str) -> StreamingHttpResponse:
    """Return the table as a file of that kind."""
    parts = WRITERS[kind](table)
    # A server that serves asynchronously would first gather a plain iterator whole.
    is_async = isinstance(request, ASGIRequest)
    response = StreamingHttpResponse(
        _one_by_one(parts) if is_async else parts, content_type=MEDIA_TYPES[kind]
    )
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", table.name)
    response["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response


async def _one_by_one(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Return the parts, each made in the request's own thread: its connection lives there."""
    step: Callable[..., Any] = sync_to_async(next)
    while (part := await step(parts, None)) is not None:
        yield part


def csv_parts(table: Table) -> Iterator[bytes]:
    """Return the table as CSV, chunk by chunk."""
    yield _csv_lines([table.headings])
    for chunk in table.chunks:
        yield _csv_lines([[_cell(value) for value in row] for row in chunk])


def _csv_lines(rows: Iterable[Sequence[Any]]) -> bytes:
    page = io.StringIO()
    csv.writer(page, lineterminator="\n").writerows(rows)
    return page.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, list | dict):
        value = json.dumps(value, default=str)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


class _Pipe(io.RawIOBase):
    """A file that only hands on what is written to it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def parquet_parts(table: Table) -> Iterator[bytes]:
    """Return the table as Parquet, a row group per chunk."""
    import pyarrow  # noqa: PLC0415  (40 MB that only those who ask for Parquet need)
    from pyarrow import parquet  # noqa: PLC0415  (as above)

    schema = pyarrow.schema(
        [
            (heading, _arrow_type(field))
            for heading, field in zip(table.headings, table.columns, strict=True)
        ]
    )
    pipe = _Pipe()
    with parquet.ParquetWriter(pyarrow.PythonFile(pipe, mode="w"), schema) as writer:
        for chunk in filter(None, table.chunks):
            columns = [
                pyarrow.array(column, one.type)
                for column, one in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.table(columns, schema=schema))
            yield pipe.taken()
    yield pipe.taken()


def _arrow_type(field: "models.Field[Any, Any] | None") -> Any:
    import pyarrow  # noqa: PLC0415  (as above)

    if isinstance(field, models.DateTimeField):
        return pyarrow.timestamp("us", tz="UTC")
    for kinds, name in ARROW_TYPES.items():
        if isinstance(field, kinds):
            return pyarrow.type_for_alias(name)
    return pyarrow.string()


# BigIntegerField is an IntegerField too: the wider one first.
ARROW_TYPES: Mapping[Any, str] = MappingProxyType(
    {
        models.FloatField: "float64",
        models.DecimalField: "float64",
        models.BooleanField: "bool",
        models.ForeignKey: "int64",
        models.BigIntegerField: "int64",
        models.SmallIntegerField: "int16",
        models.IntegerField: "int32",
    }
)
WRITERS: Mapping[str, Writer] = MappingProxyType({"csv": csv_parts, "parquet": parquet_parts})
MEDIA_TYPES = MappingProxyType(
    {one.format: one.media_type for one in (CsvRenderer, ParquetRenderer)}
)
