"""What the data page reads: coverage, gaps, findings, imports, providers. Wall-clock facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Count, Max, Model, Q, QuerySet, Sum

from domain.bars import Timeframe
from marketdata.models import (
    DataFinding,
    DataGap,
    DataImport,
    DataRevision,
    Provider,
    RejectedRow,
)
from marketdata.services.measure_coverage import Coverage, known_series, measure_coverage

SERIES_SHOWN = 20
ROWS_SHOWN = 15
REFUSED_SHOWN = 10
MOST_GAPS_DRAWN = 2000
TIMEFRAMES = tuple(one.value for one in Timeframe)
OPEN = Q(state="open")

Filters = Mapping[str, str]


def data_version() -> str:
    """Return a text that changes whenever the data page would."""
    gaps = DataGap.objects.aggregate(
        newest=Max("pk"),
        count=Count("pk"),
        open=Count("pk", filter=OPEN),
        attempts=Sum("attempts"),
        settled_to=Max("settled_to"),
    )
    findings = DataFinding.objects.aggregate(
        newest=Max("pk"), count=Count("pk"), open=Count("pk", filter=OPEN)
    )
    newest = [
        model.objects.aggregate(newest=Max("pk"))["newest"] for model in (DataImport, DataRevision)
    ]
    return "|".join(map(str, (*gaps.values(), *findings.values(), *newest)))


@dataclass(frozen=True, slots=True)
class Sums:
    """The whole record in a few numbers; `bars` is the planner's estimate."""

    bars: int
    open_gaps: int
    missing: int
    findings: int
    revisions: int


BARS_STORED = """
SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint
FROM pg_partition_tree('marketdata_bar') t JOIN pg_class c ON c.oid = t.relid WHERE t.isleaf
"""


def sums() -> Sums:
    """Return the numbers: four queries, none of which counts bars."""
    with connection.cursor() as cursor:
        cursor.execute(BARS_STORED)
        (bars,) = cursor.fetchone()
    gaps = DataGap.objects.filter(OPEN).aggregate(count=Count("pk"), bars=Sum("bars", default=0))
    return Sums(
        bars=bars,
        open_gaps=gaps["count"],
        missing=gaps["bars"],
        findings=DataFinding.objects.filter(OPEN).count(),
        revisions=DataRevision.objects.count(),
    )


@dataclass(frozen=True, slots=True)
class Hole:
    """One gap, as the strip of its series draws it."""

    first_opened_at: datetime
    last_opened_at: datetime
    bars: int
    state: str


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series' coverage with its holes."""

    coverage: Coverage
    holes: tuple[Hole, ...]


@dataclass(frozen=True, slots=True)
class SeriesPage:
    """One page of series, and the numbers of its neighbours, 0 for none."""

    rows: tuple[SeriesRow, ...]
    count: int
    first: int
    last: int
    newer: int
    older: int


def series_page(filters: Filters) -> SeriesPage:
    """Return one page of the series that match, those with open gaps first.

    The bars of that page alone are counted.
    """
    text = filters.get("timeframe", "")
    timeframe = Timeframe(text) if text in TIMEFRAMES else None
    series = known_series(symbol=filters.get("instrument", ""), timeframe=timeframe)
    torn = set(DataGap.objects.filter(OPEN).values_list("instrument_id", "timeframe").distinct())
    series.sort(key=lambda pair: (pair[0].pk, pair[1].timeframe.value) not in torn)
    page = _page_number(filters.get("page", ""))
    begin = SERIES_SHOWN * (page - 1)
    chosen = measure_coverage(series=series[begin : begin + SERIES_SHOWN])
    holes = _holes(chosen)
    return SeriesPage(
        rows=tuple(
            SeriesRow(one, tuple(holes.get((one.instrument_id, one.timeframe), ())))
            for one in chosen
        ),
        count=len(series),
        first=begin + 1,
        last=begin + len(chosen),
        newer=page - 1,
        older=page + 1 if begin + SERIES_SHOWN < len(series) else 0,
    )


def _page_number(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 6
    return max(1, int(text)) if is_number else 1


def _holes(chosen: Sequence[Coverage]) -> dict[tuple[int, str], list[Hole]]:
    """Return the longest gaps of the series, oldest first: one query."""
    gaps = DataGap.objects.filter(instrument_id__in={one.instrument_id for one in chosen})
    gaps = gaps.exclude(state="filled").order_by("-bars")
    found: dict[tuple[int, str], list[Hole]] = {}
    columns = ("instrument_id", "timeframe", "first_opened_at", "last_opened_at", "bars", "state")
    for instrument_id, timeframe, *hole in gaps.values_list(*columns)[:MOST_GAPS_DRAWN]:
        found.setdefault((instrument_id, timeframe), []).append(Hole(*hole))
    return found


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of a list, newest first; `older` is the id to continue below."""

    rows: tuple[object, ...]
    older: int | None
    is_first: bool


def gap_rows(filters: Filters) -> Listed:
    """Return gaps, open ones unless asked otherwise: one query."""
    return _newest(_asked(DataGap.objects.all(), filters), filters.get("gaps_before", ""))


def finding_rows(filters: Filters) -> Listed:
    """Return findings, open ones unless asked otherwise: one query."""
    return _newest(_asked(DataFinding.objects.all(), filters), filters.get("findings_before", ""))


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One file that was read, and the first of its rows that were refused."""

    read: DataImport
    refused: tuple[RejectedRow, ...]


def import_rows(filters: Filters) -> Listed:
    """Return what was read, newest first, with the first refused rows: two queries."""
    chosen = DataImport.objects.all()
    found = _newest(_of_series(chosen, filters), filters.get("imports_before", ""))
    with_refused = [one.pk for one in found.rows if isinstance(one, DataImport) and one.rejected]
    refused: dict[int, list[RejectedRow]] = {}
    for key in with_refused:
        first = RejectedRow.objects.filter(data_import_id=key).order_by("line")
        refused[key] = list(first[:REFUSED_SHOWN])
    rows = tuple(
        ImportRow(one, tuple(refused.get(one.pk, ())))
        for one in found.rows
        if isinstance(one, DataImport)
    )
    return Listed(rows, found.older, found.is_first)


def provider_rows() -> list[Provider]:
    """Return the providers in the order they are asked."""
    return list(Provider.objects.all())


def symbols() -> tuple[str, ...]:
    """Return the instruments of which bars are stored, by name."""
    return tuple(dict.fromkeys(str(instrument) for instrument, _ in known_series()))


def _asked(rows: QuerySet, filters: Filters) -> QuerySet:
    state = filters.get("state", "open")
    if state == "settled":
        rows = rows.exclude(OPEN)
    elif state != "any":
        rows = rows.filter(OPEN)
    return _of_series(rows, filters)


def _of_series(rows: QuerySet, filters: Filters) -> QuerySet:
    venue, _, symbol = filters.get("instrument", "").rpartition(":")
    if symbol:
        rows = rows.filter(instrument__symbol=symbol)
    if venue:
        rows = rows.filter(instrument__venue=venue)
    if filters.get("timeframe"):
        rows = rows.filter(timeframe=filters["timeframe"])
    return rows.select_related("instrument")


def _newest(rows: QuerySet, before: str) -> Listed:
    is_given = before.isascii() and before.isdecimal() and len(before) < 19
    if is_given:
        rows = rows.filter(pk__lt=int(before))
    found: list[Model] = list(rows.order_by("-pk")[: ROWS_SHOWN + 1])
    older = found[ROWS_SHOWN - 1].pk if len(found) > ROWS_SHOWN else None
    return Listed(tuple(found[:ROWS_SHOWN]), older, not is_given)
