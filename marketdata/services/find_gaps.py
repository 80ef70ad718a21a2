"""The gap ledger: what the calendar expects and the record lacks, brought up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection, transaction
from django.db.models import Min

from domain.bars import Timeframe, from_micros, to_micros
from marketdata.calendars import Spans, calendar_named, runs_of
from marketdata.gaps import BoolArray, expectation
from marketdata.models import Bar, DataGap, Instrument
from marketdata.queries import logical_now
from marketdata.services.read_series import read_openings

# First half of the advisory lock's key: one keeper of an instrument's ledger at a time.
LEDGER_LOCK = 20_019
# A gap that ended so shortly before the span may go on in it: a long weekend and some days.
LOOK_BACK = timedelta(days=8)
MOMENT = timedelta(microseconds=1)
SETTLED = frozenset({"absent", "accepted"})


@dataclass(frozen=True, slots=True)
class FoundGaps:
    """What a look at a series found; not known without a calendar."""

    is_known: bool
    open_gaps: int = 0
    missing: int = 0
    new: int = 0
    filled: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One row of the ledger as it ought to be: bars missing ('open') or arrived ('filled')."""

    first_opened_at: datetime
    last_opened_at: datetime
    known_from: datetime
    bars: int
    state: str


def find_gaps(
    *, instrument: Instrument, timeframe: Timeframe, since: datetime | None = None
) -> FoundGaps:
    """Compare the stored bars with the calendar and bring the ledger up to date; twice is once.

    The span reaches from the first stored bar (or `since`) to the last one, or to where the
    streams are sealed. Open gaps follow the missing bars: they grow, part and merge; what
    arrived of them is 'filled' from now on. What a person accepted or no provider has stays.
    """
    calendar = calendar_named(instrument.calendar)
    if calendar is None:
        # Nobody can say any more what is missing, so nothing may block.
        DataGap.objects.filter(
            instrument=instrument, timeframe=timeframe.value, state="open"
        ).delete()
        return FoundGaps(is_known=False)
    with transaction.atomic():
        _lock_ledger(instrument.pk)
        begin = _begin(instrument, timeframe, since)
        if begin is None:
            return FoundGaps(is_known=True)
        rows = list(
            DataGap.objects.filter(
                instrument=instrument, timeframe=timeframe.value, last_opened_at__gte=begin
            ).order_by("first_opened_at")
        )
        opened_at = read_openings(instrument_id=instrument.pk, timeframe=timeframe, since=begin)
        # Asked after the bars: no bar that was read counts from a later instant.
        now = logical_now(instrument_id=instrument.pk, timeframe=timeframe)
        ends = [now] if now else []
        if len(opened_at):
            ends.append(from_micros(opened_at[-1]) + timeframe.length)
        expected, present = expectation(
            opened_at, calendar, timeframe, begin, max(ends, default=begin)
        )
        wanted = _wanted(rows, expected, present)
        return _write(instrument, timeframe, rows, wanted, begin, now)


def _lock_ledger(instrument_id: int) -> None:
    """Hold the ledger of an instrument until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LEDGER_LOCK, instrument_id))


def _begin(instrument: Instrument, timeframe: Timeframe, since: datetime | None) -> datetime | None:
    """Return where to begin: at a bar, at the latest at `since`; None without bars."""
    series = {"instrument": instrument, "timeframe": timeframe.value}
    openings = (
        Bar.objects.filter(**series).order_by("opened_at").values_list("opened_at", flat=True)
    )
    first: datetime | None = openings.first()
    if first is None or since is None:
        return first
    touching = DataGap.objects.filter(
        **series, state="open", last_opened_at__gte=since - LOOK_BACK
    ).aggregate(first=Min("first_opened_at"))["first"]
    # From a bar on: a hole that `since` lies in is seen from its start.
    return openings.filter(opened_at__lte=min(since, touching or since)).last() or first


def _wanted(rows: Sequence[DataGap], expected: Spans, present: BoolArray) -> list[Run]:
    """Return the runs that are missing, and those of open gaps that have arrived."""
    settled, is_open = np.zeros((2, len(expected)), dtype=np.bool_)
    for row in rows:
        mask = settled if row.state in SETTLED else is_open
        if row.state != "filled":
            mask[_places(row, expected)] = True
    states = np.where(present, np.where(is_open, 2, 0), np.where(settled, 0, 1))
    first, last = runs_of(states)
    return [
        Run(
            from_micros(expected.opened_at[start]),
            from_micros(expected.opened_at[end]),
            from_micros(expected.closed_at[start]),
            end - start + 1,
            "open" if states[start] == 1 else "filled",
        )
        for start, end in zip(first.tolist(), last.tolist(), strict=True)
        if states[start]
    ]


def _places(row: DataGap, expected: Spans) -> slice:
    """Return where the gap's bars stand among those expected."""
    edges = (to_micros(row.first_opened_at), to_micros(row.last_opened_at) + 1)
    return slice(*np.searchsorted(expected.opened_at, edges).tolist())


def _write(
    instrument: Instrument,
    timeframe: Timeframe,
    rows: Sequence[DataGap],
    wanted: Sequence[Run],
    begin: datetime,
    now: datetime | None,
) -> FoundGaps:
    """Make the ledger say what is wanted; return what it says."""
    by_first = {row.first_opened_at: row for row in rows}
    before = [row for row in rows if row.state == "open"]
    pairs = [
        (
            run,
            by_first.get(run.first_opened_at)
            or _new_row(instrument, timeframe, run, before=before, now=now),
        )
        for run in wanted
    ]
    changed: list[DataGap] = []
    for run, row in pairs:
        if (row.last_opened_at, row.bars, row.state) == (run.last_opened_at, run.bars, run.state):
            continue
        row.last_opened_at, row.bars, row.state = run.last_opened_at, run.bars, run.state
        is_filled = run.state == "filled"
        row.settled_to = (now or run.known_from) if is_filled else None
        row.settled_by = "bars arrived" if is_filled else ""
        changed.append(row)
    kept = {run.first_opened_at for run in wanted}
    gone = [
        row.pk for row in before if begin <= row.first_opened_at and row.first_opened_at not in kept
    ]
    DataGap.objects.filter(pk__in=gone).delete()
    new = [row for row in changed if row.pk is None]
    for row in changed:
        if row.pk is not None:
            row.save()
    DataGap.objects.bulk_create(new)
    missing = [run.bars for run in wanted if run.state == "open"]
    return FoundGaps(
        is_known=True,
        open_gaps=len(missing),
        missing=sum(missing),
        new=sum(row.state == "open" for row in new),
        filled=sum(row.state == "filled" for row in changed),
    )


def _new_row(
    instrument: Instrument,
    timeframe: Timeframe,
    run: Run,
    *,
    before: Sequence[DataGap],
    now: datetime | None,
) -> DataGap:
    """Return a row for the run; it goes on counting the attempts of the gap it was part of.

    A hole behind the seals blocks from now on: what was decided before did not know of it.
    """
    row = DataGap(
        instrument=instrument,
        timeframe=timeframe.value,
        first_opened_at=run.first_opened_at,
        known_from=max(run.known_from, now + MOMENT) if now else run.known_from,
        bars=0,
    )
    for parent in before:
        if parent.first_opened_at <= run.first_opened_at <= parent.last_opened_at:
            row.attempts, row.last_error = parent.attempts, parent.last_error
            row.found_at = parent.found_at
            row.known_from = max(run.known_from, parent.known_from)
    return row
