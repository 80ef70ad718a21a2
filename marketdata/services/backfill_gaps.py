"""Open gaps are asked for at the providers; what comes is stored, what nobody has is settled."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from domain.bars import IntArray, Timeframe, from_micros
from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import Audited
from marketdata.calendars import Calendar, Spans, calendar_named
from marketdata.gaps import expectation, standing_for
from marketdata.models import DataGap, Instrument
from marketdata.queries import logical_now
from marketdata.services.fetch_history import FetchedHistory, fetch_history
from marketdata.services.find_gaps import find_gaps
from marketdata.services.ingest_bars import store_bars
from marketdata.services.read_series import read_openings

# Gaps of a series this close are asked for together: exchanges answer 500 to 1,000 bars a call.
BARS_PER_CALL = 500
# An exchange's history may lag its closing by seconds: only later is a missing bar absent.
ABSENT_AFTER = timedelta(minutes=2)
# Attempt n comes when the gap is known for 2**n minutes less one, then once a day.
FIRST_PAUSE = timedelta(minutes=1)
MOST_DOUBLINGS = 10
LONGEST_PAUSE = timedelta(days=1)
# Bars around a gap that tell on which grid the series lies.
AROUND_BARS = 100


class Fetch(Protocol):
    """How history is got: `fetch_history`, or something like it."""

    def __call__(
        self,
        *,
        instrument: Instrument,
        timeframe: Timeframe,
        since: datetime,
        until: datetime,
        wanted: IntArray,
    ) -> FetchedHistory:
        """Return what the providers have of the span."""


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What became of gaps: how many were asked for, bars stored, gaps absent, calls failed."""

    gaps: int = 0
    stored: int = 0
    absent: int = 0
    failed: int = 0

    def __add__(self, other: "Backfilled") -> "Backfilled":
        return Backfilled(
            *(getattr(self, one.name) + getattr(other, one.name) for one in fields(self))
        )


def backfill_gaps(
    *,
    instrument: Instrument | None = None,
    timeframe: Timeframe | None = None,
    fetch: Fetch = fetch_history,
    most_calls: int = 20,
    is_patient: bool = True,
) -> Backfilled:
    """Ask for the open gaps that are due, the newest first; return what became of them.

    A gap is 'filled' when its bars are stored, and 'absent' when every provider that offers the
    series answered and none has them. After an error it stays open and is tried again later
    (now, unless `is_patient`): an error never makes a bar absent.
    """
    gaps = DataGap.objects.filter(state="open").select_related("instrument")
    if instrument is not None:
        gaps = gaps.filter(instrument=instrument)
    if timeframe is not None:
        gaps = gaps.filter(timeframe=timeframe.value)
    now = timezone.now()
    due = [gap for gap in gaps if not is_patient or now >= due_at(gap)]
    done = Backfilled()
    for batch in _batches(due)[:most_calls]:
        done += _ask_for(batch, fetch)
    return done


def due_at(gap: DataGap) -> datetime:
    """Return when the gap's next attempt comes: a minute after the first, then ever later."""
    doublings = min(gap.attempts, MOST_DOUBLINGS)
    days = (gap.attempts - doublings) * LONGEST_PAUSE
    found_at: datetime = gap.found_at
    return found_at + FIRST_PAUSE * (2**doublings - 1) + days


def accept_gap(*, gap_id: int, by: str) -> bool:
    """Settle an open gap by a person's word, from now on; return whether it was open."""
    gap = DataGap.objects.select_related("instrument").get(pk=gap_id)
    with transaction.atomic():
        was_open = _settle([gap], "accepted", by) == 1
        if was_open:
            publish(
                Audited(
                    shard=0,
                    actor=by,
                    action="gap_accepted",
                    subject=f"{gap.instrument} {gap.timeframe}",
                    detail={"first_opened_at": gap.first_opened_at.isoformat(), "bars": gap.bars},
                )
            )
    return was_open


def _batches(gaps: Sequence[DataGap]) -> list[list[DataGap]]:
    """Return the gaps that one call can cover together, newest batch first, rising within."""
    batches: list[list[DataGap]] = []
    for gap in sorted(
        gaps, key=lambda one: (one.instrument_id, one.timeframe, one.first_opened_at)
    ):
        reach = Timeframe(gap.timeframe).length * BARS_PER_CALL
        last = batches[-1][0] if batches else None
        if (
            last is not None
            and (last.instrument_id, last.timeframe) == (gap.instrument_id, gap.timeframe)
            and gap.last_opened_at - last.first_opened_at <= reach
        ):
            batches[-1].append(gap)
        else:
            batches.append([gap])
    return sorted(batches, key=lambda batch: batch[0].first_opened_at, reverse=True)


def _ask_for(batch: Sequence[DataGap], fetch: Fetch) -> Backfilled:
    """Ask for the gaps of one batch, store what comes and settle what can be."""
    instrument, timeframe = batch[0].instrument, Timeframe(batch[0].timeframe)
    calendar = calendar_named(instrument.calendar)
    if calendar is None:
        return Backfilled()
    wanted = _missing_of(batch, instrument, timeframe, calendar)
    if len(wanted) == 0:
        find_gaps(instrument=instrument, timeframe=timeframe, since=batch[0].first_opened_at)
        return Backfilled(gaps=len(batch))
    stored, trouble = 0, ""
    try:
        found = fetch(
            instrument=instrument,
            timeframe=timeframe,
            since=from_micros(wanted.opened_at[0]),
            until=from_micros(wanted.opened_at[-1]) + timeframe.length,
            wanted=wanted.opened_at,
        )
        trouble = "; ".join(
            (*found.failures, *(f"{n} x {why}" for why, n in found.refused.items()))
        )
        for part in found.parts:
            bars = standing_for(part.bars, wanted, calendar, timeframe)
            stored += store_bars(
                instrument_id=instrument.pk,
                timeframe=timeframe,
                bars=bars,
                source_id=part.provider_id,
            ).inserted
    except PlumblineError as error:
        trouble = str(error)
    if stored:
        find_gaps(instrument=instrument, timeframe=timeframe, since=batch[0].first_opened_at)
    left = _still_open(batch)
    if trouble:
        DataGap.objects.filter(pk__in=[gap.pk for gap in left], state="open").update(
            attempts=F("attempts") + 1, last_error=" ".join(trouble.split())[:300]
        )
        return Backfilled(gaps=len(batch), stored=stored, failed=1)
    old = timezone.now() - ABSENT_AFTER - timeframe.length
    absent = [gap for gap in left if gap.last_opened_at <= old]
    return Backfilled(
        gaps=len(batch), stored=stored, absent=_settle(absent, "absent", "no provider has it")
    )


def _missing_of(
    batch: Sequence[DataGap], instrument: Instrument, timeframe: Timeframe, calendar: Calendar
) -> Spans:
    """Return the bars of the gaps that are missing now."""
    first, last = batch[0].first_opened_at, batch[-1].last_opened_at + timeframe.length
    around = timeframe.length * AROUND_BARS
    opened_at = read_openings(
        instrument_id=instrument.pk,
        timeframe=timeframe,
        since=first - around,
        until=last + around,
    )
    expected, present = expectation(opened_at, calendar, timeframe, first, last)
    return Spans(expected.opened_at[~present], expected.closed_at[~present])


def _still_open(batch: Sequence[DataGap]) -> list[DataGap]:
    """Return the open rows that lie where the batch lay: what came may have cut them anew."""
    return list(
        DataGap.objects.filter(
            instrument=batch[0].instrument,
            timeframe=batch[0].timeframe,
            state="open",
            first_opened_at__gte=batch[0].first_opened_at,
            last_opened_at__lte=batch[-1].last_opened_at,
        )
    )


def _settle(gaps: Sequence[DataGap], state: str, by: str) -> int:
    """Settle open gaps of one series from its logical now on; return how many were open."""
    if not gaps:
        return 0
    with transaction.atomic():
        now = logical_now(
            instrument_id=gaps[0].instrument_id, timeframe=Timeframe(gaps[0].timeframe)
        )
        return sum(
            DataGap.objects.filter(
                pk=gap.pk, state="open", last_opened_at=gap.last_opened_at
            ).update(
                state=state,
                settled_to=max(now or gap.known_from, gap.known_from),
                settled_by=by[:60],
            )
            for gap in gaps
        )
