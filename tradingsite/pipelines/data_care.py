"""The desk looks after its data: holes are found, odd bars shown, providers asked for the rest."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from django.utils import timezone

from domain.bars import Timeframe
from domain.errors import PlumblineError
from marketdata.models import Bar, DataGap, DataImport, DataRevision, Instrument, Stream
from marketdata.services.backfill_gaps import Backfilled, backfill_gaps
from marketdata.services.check_series import check_series
from marketdata.services.find_gaps import find_gaps

# What a running stream added lately is looked at each time: a long weekend and its neighbours.
RECENT = timedelta(days=4)
RECENT_BARS = 200
# An import or a correction has the whole series looked at; a job that was late still sees it.
CHANGED_WITHIN = timedelta(minutes=15)

log = structlog.get_logger("data")
Series = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Cared:
    """What one round saw and did."""

    series: int = 0
    new_gaps: int = 0
    filled_gaps: int = 0
    new_findings: int = 0
    failed: int = 0
    backfilled: Backfilled = field(default_factory=Backfilled)


def care_for_data() -> Cared:
    """Look at what streams deliver and at what was changed lately, then ask for what is missing."""
    changed = set(_changed_series())
    streamed = set(_streamed_series()) - changed
    instruments = Instrument.objects.in_bulk({key for key, _ in changed | streamed})
    new_gaps = filled = new_findings = failed = 0
    for key, text in sorted(changed | streamed):
        instrument, timeframe = instruments[key], Timeframe(text)
        since = None
        if (key, text) in streamed:
            last = _last_opening(key, text)
            if last is None:
                continue
            since = last - max(RECENT, timeframe.length * RECENT_BARS)
        try:
            gaps = find_gaps(instrument=instrument, timeframe=timeframe, since=since)
            checked = check_series(instrument=instrument, timeframe=timeframe, since=since)
        except PlumblineError as error:
            log.warning("series not checked", series=f"{instrument} {text}", reason=str(error))
            failed += 1
            continue
        new_gaps, filled = new_gaps + gaps.new, filled + gaps.filled
        new_findings += checked.new
    return Cared(
        *(len(changed | streamed), new_gaps, filled, new_findings, failed), backfill_gaps()
    )


def ask_for_gap(gap_id: int) -> Backfilled:
    """Ask the providers for the open gaps of a gap's series now, however often they were asked."""
    gap = DataGap.objects.select_related("instrument").filter(pk=gap_id, state="open").first()
    if gap is None:
        return Backfilled()
    return backfill_gaps(
        instrument=gap.instrument, timeframe=Timeframe(gap.timeframe), is_patient=False
    )


def _streamed_series() -> Iterator[Series]:
    """Yield what unfinished streams deliver."""
    for stream in Stream.objects.filter(is_finished=False).prefetch_related("instruments"):
        for instrument in stream.instruments.all():
            yield from ((instrument.pk, text) for text in stream.timeframes)


def _changed_series() -> Iterator[Series]:
    """Yield the series that an import or a correction touched lately."""
    since = timezone.now() - CHANGED_WITHIN
    imports = DataImport.objects.filter(kind="bars", created_at__gte=since)
    yield from imports.exclude(instrument=None).values_list("instrument_id", "timeframe")
    revisions = DataRevision.objects.filter(created_at__gte=since)
    yield from revisions.values_list("instrument_id", "timeframe")


def _last_opening(instrument_id: int, timeframe: str) -> datetime | None:
    return (
        Bar.objects.filter(instrument_id=instrument_id, timeframe=timeframe)
        .order_by("-opened_at")
        .values_list("opened_at", flat=True)
        .first()
    )
