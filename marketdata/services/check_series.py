"""Findings: what looks odd in the stored bars, kept in step with them and with people's word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from domain.bars import Split as SplitValue
from domain.bars import Timeframe, from_micros
from domain.errors import PlumblineError
from marketdata.calendars import calendar_named
from marketdata.models import DataFinding, Instrument, Split
from marketdata.series_checks import Finding
from marketdata.series_checks import check_series as odd_bars
from marketdata.services.read_series import read_series
from marketdata.services.record_splits import record_splits

# A split on record explains the jump of its session, whatever the bar is labelled.
SPLIT_WITHIN = timedelta(days=1)


class FindingSettledError(PlumblineError):
    """Somebody judged that finding before."""

    code = "finding_settled"


@dataclass(frozen=True, slots=True)
class CheckedSeries:
    """What a check saw: bars looked at, findings that stand, and which are new or gone."""

    bars: int
    found: int
    new: int
    gone: int


def check_series(
    *, instrument: Instrument, timeframe: Timeframe, since: datetime | None = None
) -> CheckedSeries:
    """Check the stored bars from `since` on and record what is odd; twice is once.

    What a person accepted or dismissed keeps that word. An open finding that no longer holds is
    dropped, but only by a look at the whole series: what is usual in it depends on all of it.
    """
    bars = read_series(instrument_id=instrument.pk, timeframe=timeframe, since=since)
    found = odd_bars(bars, timeframe, calendar_named(instrument.calendar))
    if since is not None and len(bars):
        # A run that the look itself cut has another name in the whole series.
        found = tuple(one for one in found if one.opened_at > bars.opened_at[0])
    with transaction.atomic():
        stands = _without_recorded_splits(instrument, found)
        known = DataFinding.objects.filter(instrument=instrument, timeframe=timeframe.value)
        new, kept = _record(instrument, timeframe, stands, list(known.select_for_update()))
        gone = 0
        if since is None:
            gone, _ = known.filter(state="open").exclude(pk__in=kept).delete()
    return CheckedSeries(len(bars), len(stands), new, gone)


def _without_recorded_splits(instrument: Instrument, found: Sequence[Finding]) -> list[Finding]:
    """Return the findings without suspicions of splits that are on record."""
    splits = list(
        Split.objects.filter(instrument=instrument).values_list("effective_at", flat=True)
    )
    return [
        one
        for one in found
        if one.kind != "split_suspected"
        or all(abs(split - from_micros(one.opened_at)) > SPLIT_WITHIN for split in splits)
    ]


def _record(
    instrument: Instrument,
    timeframe: Timeframe,
    found: Sequence[Finding],
    known: Sequence[DataFinding],
) -> tuple[int, list[int]]:
    """Insert the new findings, update the open ones; return how many are new, and all ids."""
    by_key = {(row.opened_at, row.kind): row for row in known}
    rows: list[DataFinding] = []
    for one in found:
        at = from_micros(one.opened_at)
        row = by_key.get((at, one.kind)) or DataFinding(
            instrument=instrument, timeframe=timeframe.value, opened_at=at, kind=one.kind
        )
        said = (one.bars, one.value, one.note[:200])
        if row.pk is None or (row.state == "open" and (row.bars, row.value, row.note) != said):
            row.bars, row.value, row.note = said
            if row.pk is not None:
                row.save(update_fields=("bars", "value", "note"))
        rows.append(row)
    new = [row for row in rows if row.pk is None]
    DataFinding.objects.bulk_create(new)
    return len(new), [row.pk for row in rows]


def accept_finding(*, finding_id: int, by: str) -> DataFinding:
    """Accept an open finding; an accepted suspicion of a split becomes a split on record."""
    with transaction.atomic():
        finding = _settle(finding_id, "accepted")
        if finding.kind == "split_suspected" and finding.value is not None:
            record_splits(
                instrument_id=finding.instrument_id,
                splits=[SplitValue(finding.opened_at, finding.value)],
                source=f"seen in prices, accepted by {by}",
            )
    return finding


def dismiss_finding(*, finding_id: int) -> DataFinding:
    """Dismiss an open finding: the bars are right as they are."""
    with transaction.atomic():
        return _settle(finding_id, "dismissed")


def _settle(finding_id: int, state: str) -> DataFinding:
    """Change an open finding's state, once."""
    if DataFinding.objects.filter(pk=finding_id, state="open").update(state=state) != 1:
        raise FindingSettledError(f"finding {finding_id} is not open")
    return DataFinding.objects.get(pk=finding_id)
