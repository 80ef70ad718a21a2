"""Cells into values row by row: the careful way, which gives every bad row its reason."""

import csv
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.bars import IntArray, to_micros
from marketdata.data_quality import Reason, ReasonArray
from marketdata.row_layouts import Cell, Column, Columns, Kind, PlacedLayout, RawRows

# What lies outside is a slip of the pen: one such row must not ask for centuries of calendar.
EARLIEST = to_micros(datetime(1900, 1, 1, tzinfo=UTC))
LATEST = to_micros(datetime(2200, 1, 1, tzinfo=UTC))
WHOLE_LIMIT = 2**63
EMPTY_OF = {Kind.NUMBER: np.nan, Kind.TEXT: ""}
DTYPES: dict[Kind, Any] = {
    Kind.INSTANT: np.int64,
    Kind.DATE: np.int64,
    Kind.NUMBER: np.float64,
    Kind.WHOLE: np.int64,
    Kind.TEXT: object,
    Kind.CODE: np.int8,
}


def fields(line: str) -> list[str]:
    """Return the cells of one CSV line."""
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def parse_lines(
    layout: PlacedLayout, line: IntArray, texts: list[str], zone: ZoneInfo | None
) -> RawRows:
    """Return the rows of these lines; `zone` is where times without a zone were read."""
    reasons = np.zeros(len(texts), dtype=np.uint8)
    rows = [fields(text) for text in texts]
    for at, row in enumerate(rows):
        if len(row) != layout.width:
            reasons[at] = Reason.WRONG_COLUMN_COUNT
            rows[at] = [""] * layout.width
    cells = list(zip(*rows, strict=True)) or [()] * layout.width
    values = parse_values(layout, [cells[at] for at in layout.places], reasons, zone)
    return RawRows(layout, line, values, reasons, texts.__getitem__)


def parse_values(
    layout: PlacedLayout,
    cells: Sequence[Sequence[str]],
    reasons: ReasonArray,
    zone: ZoneInfo | None,
) -> Columns:
    """Return one array per column, and mark the rows whose cells cannot be read."""
    return {
        column.name: _values(column, column_cells, reasons, zone)
        for column, column_cells in zip(layout.columns, cells, strict=True)
    }


def _values(
    column: Column, cells: Sequence[str], reasons: ReasonArray, zone: ZoneInfo | None
) -> NDArray[Any]:
    read = _reader(column, zone)
    empty = EMPTY_OF.get(column.kind, 0)
    values = np.full(len(cells), empty, dtype=DTYPES[column.kind])
    for at, cell in enumerate(cells):
        text = cell.strip()
        if not text and column.cell is not Cell.MUST:
            continue
        found = read(text)
        if not isinstance(found, Reason):
            values[at] = found
        elif column.cell is not Cell.HINT:
            reasons[at] = reasons[at] or found
    return values


def _reader(column: Column, zone: ZoneInfo | None) -> Callable[[str], Any]:
    """Return what reads one cell: a value, or the reason why there is none."""
    if column.kind is Kind.INSTANT:
        return lambda cell: _instant(cell, zone)
    if column.kind is Kind.TEXT:
        return lambda cell: text_or_reason(cell, column.longest)
    if column.kind is Kind.CODE:
        codes = dict(column.codes)
        return lambda cell: codes.get(cell, column.unknown)
    return {Kind.DATE: _date, Kind.NUMBER: _number, Kind.WHOLE: _whole}[column.kind]


def _number(cell: str) -> float | Reason:
    try:
        value = float(cell)
    except ValueError:
        return Reason.NO_NUMBER
    if "_" in cell:  # float() would read 1_000
        return Reason.NO_NUMBER
    return value if np.isfinite(value) else Reason.NOT_FINITE


def _whole(cell: str) -> int | Reason:
    if not cell.removeprefix("-").isdecimal():
        return Reason.NO_NUMBER
    value = int(cell[:40])
    return value if -WHOLE_LIMIT <= value < WHOLE_LIMIT else Reason.TOO_LARGE


def text_or_reason(cell: str, longest: int) -> str | Reason:
    """Return the word, or why it is none."""
    return cell if 0 < len(cell) <= longest and cell.isprintable() else Reason.TEXT_UNREADABLE


def _date(cell: str) -> int | Reason:
    try:
        day = date.fromisoformat(cell)
    except ValueError:
        return Reason.TIME_UNREADABLE
    return _within(to_micros(datetime(day.year, day.month, day.day, tzinfo=UTC)))


def _instant(cell: str, zone: ZoneInfo | None) -> int | Reason:
    try:
        instant = datetime.fromisoformat(cell)
        if instant.tzinfo is not None:
            return _within(to_micros(instant))
        return Reason.TIME_WITHOUT_ZONE if zone is None else _local(instant, zone)
    except (ValueError, OverflowError):
        return Reason.TIME_UNREADABLE


def _local(wall: datetime, zone: ZoneInfo) -> int | Reason:
    """Return the instant a wall clock in `zone` showed, unless it did so twice or never."""
    early, late = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if early.utcoffset() == late.utcoffset():
        return _within(to_micros(early))
    is_real = early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wall
    return Reason.TIME_AMBIGUOUS if is_real else Reason.TIME_SKIPPED


def _within(micros: int) -> int | Reason:
    return micros if EARLIEST <= micros <= LATEST else Reason.TIME_OUT_OF_RANGE
