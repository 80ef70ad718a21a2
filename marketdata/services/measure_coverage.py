"""What is stored of each series, what is missing of it, and what is known to be wrong with it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Aggregate, Count, Q, QuerySet, Sum

from domain.bars import Timeframe
from marketdata.models import DataFinding, DataGap, DataImport, DataRevision, Instrument, Provider
from marketdata.services.read_series import StoredSeries, stored_series

Key = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Coverage:
    """One series. What is expected and missing is None where no calendar is known.

    `bars` is counted, `expected` is what the gap ledger makes of it: the bars in session, and
    those that are missing whatever their gap's state, save those that have come.
    """

    instrument_id: int
    instrument: str
    kind: str
    calendar: str
    timeframe: str
    first_opened_at: datetime
    last_closed_at: datetime
    bars: int
    expected: int | None
    missing: int | None
    open_gaps: int
    findings: int
    revisions: int
    source: str

    @property
    def share(self) -> float | None:
        """Return the stored part of what is expected."""
        if self.expected is None or self.missing is None:
            return None
        return 1 - self.missing / self.expected if self.expected else 1.0


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What the ledgers say of one series."""

    missing: int = 0
    off_session: int = 0
    open_gaps: int = 0
    findings: int = 0
    revisions: int = 0


def known_series(
    *, symbol: str = "", timeframe: Timeframe | None = None
) -> list[tuple[Instrument, StoredSeries]]:
    """Return the series with stored bars and their instruments, by name and timeframe."""
    stored = [one for one in stored_series() if timeframe in {None, one.timeframe}]
    venue, _, name = symbol.rpartition(":")
    wanted = Instrument.objects.filter(
        **({"symbol": name} if name else {}), **({"venue": venue} if venue else {})
    )
    instruments = wanted.in_bulk({one.instrument_id for one in stored})
    pairs = [
        (instruments[one.instrument_id], one) for one in stored if one.instrument_id in instruments
    ]
    return sorted(
        pairs, key=lambda pair: (pair[0].venue, pair[0].symbol, pair[1].timeframe.seconds)
    )


def measure_coverage(*, series: Sequence[tuple[Instrument, StoredSeries]]) -> list[Coverage]:
    """Return the coverage of these series, in their order.

    The counts are exact and read the key's index alone: 100,000 bars cost about 18 ms, so ask
    for a page of series, not for all of them.
    """
    by_timeframe: dict[Timeframe, list[int]] = {}
    for instrument, one in series:
        by_timeframe.setdefault(one.timeframe, []).append(instrument.pk)
    spans: dict[Key, tuple[datetime, datetime, int | None, int]] = {}
    for timeframe, ids in by_timeframe.items():
        spans |= _spans(timeframe, ids)
    every = {instrument.pk for instrument, _ in series}
    ledgers = _ledgers(every)
    providers = dict(Provider.objects.values_list("pk", "name"))
    files = _last_files(every)
    rows = []
    for instrument, one in series:
        key = (instrument.pk, one.timeframe.value)
        if key not in spans:  # dropped since the series were listed
            continue
        first, last, source_id, bars = spans[key]
        told = ledgers.get(key, Ledgers())
        has_calendar = bool(instrument.calendar)
        rows.append(
            Coverage(
                instrument_id=instrument.pk,
                instrument=str(instrument),
                kind=instrument.kind,
                calendar=instrument.calendar,
                timeframe=one.timeframe.value,
                first_opened_at=first,
                last_closed_at=last,
                bars=bars,
                expected=bars - told.off_session + told.missing if has_calendar else None,
                missing=told.missing if has_calendar else None,
                open_gaps=told.open_gaps,
                findings=told.findings,
                revisions=told.revisions,
                source=providers.get(source_id or 0, "") or files.get(key, "file"),
            )
        )
    return rows


# The timeframe is a constant, so that the plan holds the partitions of one timeframe only.
SPANS = """
SELECT i.id, f.opened_at, l.closed_at, l.source_id, c.bars
FROM unnest(%(ids)s::bigint[]) AS i(id)
CROSS JOIN LATERAL (SELECT opened_at FROM marketdata_bar
    WHERE instrument_id = i.id AND timeframe = %(timeframe)s ORDER BY opened_at LIMIT 1) f
CROSS JOIN LATERAL (SELECT closed_at, source_id FROM marketdata_bar
    WHERE instrument_id = i.id AND timeframe = %(timeframe)s ORDER BY opened_at DESC LIMIT 1) l
CROSS JOIN LATERAL (SELECT count(*) AS bars FROM marketdata_bar
    WHERE instrument_id = i.id AND timeframe = %(timeframe)s) c
"""


def _spans(
    timeframe: Timeframe, ids: Sequence[int]
) -> dict[Key, tuple[datetime, datetime, int | None, int]]:
    with connection.cursor() as cursor:
        cursor.execute(SPANS, {"ids": list(ids), "timeframe": timeframe.value})
        return {(row[0], timeframe.value): tuple(row[1:]) for row in cursor.fetchall()}


def _ledgers(ids: Iterable[int]) -> dict[Key, Ledgers]:
    """Return what the ledgers say, by series: three queries."""
    mine = Q(instrument_id__in=set(ids))
    is_open = Q(state="open")
    gaps = _by_series(
        DataGap.objects.filter(mine),
        missing=Sum("bars", filter=~Q(state="filled"), default=0),
        open_gaps=Count("pk", filter=is_open),
    )
    findings = _by_series(
        DataFinding.objects.filter(mine),
        findings=Count("pk", filter=is_open),
        off_session=Sum("bars", filter=Q(kind="off_session"), default=0),
    )
    revisions = _by_series(DataRevision.objects.filter(mine), revisions=Count("pk"))
    keys = {*gaps, *findings, *revisions}
    return {
        key: Ledgers(**gaps.get(key, {}), **findings.get(key, {}), **revisions.get(key, {}))
        for key in keys
    }


def _by_series(rows: QuerySet[Any], **sums: Aggregate) -> dict[Key, Mapping[str, int]]:
    names = ("instrument_id", "timeframe")
    grouped = rows.order_by().values(*names).annotate(**sums)
    return {
        (row["instrument_id"], row["timeframe"]): {name: row[name] for name in sums}
        for row in grouped
    }


def _last_files(ids: Iterable[int]) -> dict[Key, str]:
    """Return the name of the file that was imported last, by series."""
    imports = DataImport.objects.filter(kind="bars", instrument_id__in=set(ids))
    last = imports.order_by("instrument_id", "timeframe", "-created_at").distinct(
        "instrument_id", "timeframe"
    )
    rows = last.values_list("instrument_id", "timeframe", "source")
    return {(instrument, timeframe): source for instrument, timeframe, source in rows}
