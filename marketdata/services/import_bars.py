"""A file of bars becomes rows: all of it or nothing, and twice is the same as once."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction

from domain.bars import BarSeries, FloatArray, IntArray, Timeframe, picked, to_micros
from marketdata.adjustment import dividends_in_factors
from marketdata.bar_files import RawBars, read_bar_file
from marketdata.calendars import DAY, Calendar, calendar_named
from marketdata.data_quality import MICROS, Reason, check_bars, mixed_in, wrong_step
from marketdata.models import Bar, Instrument
from marketdata.row_layouts import BadFileError
from marketdata.services.import_ledger import ImportLedger, Progress, SeenValues, iso
from marketdata.services.ingest_bars import BarStaging
from marketdata.services.name_instruments import (
    InstrumentOptions,
    find_or_make,
    finer_than_stored,
    grid_words,
    set_grid,
)
from marketdata.services.record_dividends import record_dividends
from marketdata.services.record_splits import record_splits
from marketdata.split_detection import splits_in_factors

Blocks = Callable[[], Iterator[RawBars]]


@dataclass(frozen=True, slots=True)
class ImportedBars:
    """What became of the rows of one file: rows = stored + repeated + rejected."""

    instrument: str
    is_new_instrument: bool
    timeframe: str
    source: str
    rows: int
    inserted: int
    unchanged: int
    corrected: int
    repeated: int
    rejected: int
    reasons: dict[str, int]
    tick_size: str
    lot_size: str
    grid: str
    splits: int
    dividends: int
    first: str
    last: str
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the plain values."""
        return asdict(self)


@dataclass
class _Sums:
    """What is known of the good rows of the file so far."""

    seen: SeenValues = field(default_factory=SeenValues)
    is_rising: bool = True
    is_apart: bool = True  # no block of rows reaches into the times of another
    least_step: int = int(np.iinfo(np.int64).max)
    times: list[IntArray] = field(default_factory=list)
    factors: dict[str, list[FloatArray]] = field(default_factory=dict)

    def take(self, bars: BarSeries, factors: dict[str, FloatArray]) -> None:
        """Count in the accepted bars of one block."""
        is_rising = bool((np.diff(bars.opened_at) > 0).all())
        times = bars.opened_at if is_rising else np.unique(bars.opened_at)
        first, last = int(times[0]), int(times[-1])
        self.is_rising &= is_rising and first > self.seen.last
        self.is_apart &= first > self.seen.last or last < self.seen.first
        if len(times) > 1:
            self.least_step = min(self.least_step, int(np.diff(times).min()))
        prices = (bars.open, bars.high, bars.low, bars.close)
        self.seen.take(bars.opened_at, prices, (bars.volume,))
        if factors:
            self.times.append(bars.opened_at)
        for name, values in factors.items():
            self.factors.setdefault(name, []).append(values)

    def factor(self, name: str) -> tuple[IntArray, FloatArray] | None:
        """Return a column of factors by rising time, None when the file has none."""
        if name not in self.factors:
            return None
        times, first = np.unique(np.concatenate(self.times), return_index=True)
        return times, np.concatenate(self.factors[name])[first]


def import_bars(
    *,
    path: Path,
    timeframe: Timeframe,
    instrument: InstrumentOptions,
    zone: ZoneInfo | None = None,
    progress: Progress = lambda _: None,
    now: datetime | None = None,
) -> ImportedBars:
    """Bring one file into the record in one transaction; return what became of its rows.

    Refused rows go to `RejectedRow`. When every row is refused nothing is stored. Interrupted or
    killed, the file has left nothing: importing it again is all there is to do.
    """
    now_micros = to_micros(now or datetime.now(UTC))
    with transaction.atomic():
        stored_as, is_new = find_or_make(instrument)
        calendar = calendar_named(stored_as.calendar)
        ledger = ImportLedger(path=path, kind="bars", timeframe=timeframe.value)
        day_calendar = None if _lasts_utc_days(stored_as) else calendar

        def blocks() -> Iterator[RawBars]:
            return read_bar_file(path, timeframe=timeframe, zone=zone, calendar=day_calendar)

        with BarStaging() as staging:
            sums = _stage(
                blocks=blocks(),
                timeframe=timeframe,
                calendar=calendar,
                staging=staging,
                ledger=ledger,
                now_micros=now_micros,
                progress=progress,
            )
            ledger.refuse_hopeless()
            _refuse_wrong_timeframe(timeframe, ledger)
            repeated = 0
            if not sums.is_rising:
                repeated, differing = staging.sort_out()
                ledger.take_back(differing, blocks())
            counts = staging.store(
                instrument_id=stored_as.pk, timeframe=timeframe, import_id=ledger.record.pk
            )
        splits, dividends = _record_factors(stored_as, path, sums)
        notes = _notes(timeframe, sums)
        if is_new:
            set_grid(stored_as, instrument, sums.seen.grid)
        else:
            notes += finer_than_stored(stored_as, sums.seen.grid)
        report = ImportedBars(
            instrument=str(stored_as),
            is_new_instrument=is_new,
            timeframe=timeframe.value,
            source=path.name,
            rows=ledger.rows,
            inserted=counts.inserted,
            unchanged=counts.unchanged,
            corrected=counts.corrected,
            repeated=repeated,
            rejected=ledger.rejected,
            reasons=ledger.reasons_in_words(),
            tick_size=f"{stored_as.tick_size.normalize():f}",
            lot_size=f"{stored_as.lot_size.normalize():f}",
            grid=grid_words(is_new=is_new, options=instrument),
            splits=splits,
            dividends=dividends,
            first=iso(sums.seen.first),
            last=iso(sums.seen.last),
            notes=notes,
        )
        ledger.close(
            instrument=stored_as,
            inserted=counts.inserted,
            unchanged=counts.unchanged,
            corrected=counts.corrected,
            report=report.as_json(),
        )
    return report


def _lasts_utc_days(instrument: Instrument) -> bool:
    """Tell whether the stored daily bars last UTC days, as a file without a calendar leaves them.

    Later files go the same way: two forms of one day would be two bars.
    """
    daily = Bar.objects.filter(instrument=instrument, timeframe=Timeframe.D1.value)
    first = daily.order_by("opened_at").values_list("opened_at", flat=True).first()
    return first is not None and to_micros(first) % DAY == 0


def _stage(
    *,
    blocks: Iterator[RawBars],
    timeframe: Timeframe,
    calendar: Calendar | None,
    staging: BarStaging,
    ledger: ImportLedger,
    now_micros: int,
    progress: Progress,
) -> _Sums:
    """Copy the good rows into the staging table and the bad ones into quarantine."""
    sums = _Sums()
    for raw in blocks:
        found = check_bars(raw.bars, timeframe=timeframe, now_micros=now_micros, calendar=calendar)
        reasons = np.where(raw.reasons != 0, raw.reasons, found)
        _refuse_others(raw, timeframe, calendar, ledger.path)
        fine = ledger.take(raw, reasons)
        if fine.any():
            is_whole = bool(fine.all())
            bars = raw.bars if is_whole else picked(raw.bars, fine)
            staging.take(bars, raw.line[fine])
            sums.take(bars, {name: values[fine] for name, values in raw.factors.items()})
        progress(ledger.rows)
    return sums


def _refuse_others(
    raw: RawBars, timeframe: Timeframe, calendar: Calendar | None, path: Path
) -> None:
    """Raise when bars of another timeframe stand in these rows, alone or among others."""
    opened_at = raw.bars.opened_at[raw.reasons == 0]
    other = mixed_in(opened_at, timeframe)
    if other is not None:
        raise BadFileError(
            f"{path}: bars of {timeframe.value} and of {other.value} stand in one file (from line"
            f" {int(raw.line[0])} on): part them, or give the right --timeframe; nothing was stored"
        )
    if step := wrong_step(opened_at, timeframe, calendar):
        raise BadFileError(
            f"{path}: rows lie {step} apart, not {timeframe.value}: wrong --timeframe?"
            " Nothing was stored"
        )


def _refuse_wrong_timeframe(timeframe: Timeframe, ledger: ImportLedger) -> None:
    """Raise when the timeframe is plainly not the file's."""
    if ledger.reasons[Reason.OFF_GRID] * 2 > ledger.rows:
        raise BadFileError(
            f"{ledger.path}: most rows lie beside the {timeframe.value} grid ({ledger.example}):"
            " wrong timeframe? Nothing was stored"
        )


def _record_factors(instrument: Instrument, path: Path, sums: _Sums) -> tuple[int, int]:
    """Store the splits and dividends that columns of factors declare; return how many are new."""
    splits = dividends = 0
    if (found := sums.factor("split_factor")) is not None:
        splits = record_splits(
            instrument_id=instrument.pk,
            splits=splits_in_factors(opened_at=found[0], split_factor=found[1]),
            source=f"split_factor of {path.name}",
        )
    if (found := sums.factor("price_factor")) is not None:
        dividends = record_dividends(
            instrument_id=instrument.pk,
            dividends=dividends_in_factors(opened_at=found[0], price_factor=found[1]),
            source=f"price_factor of {path.name}",
        )
    return splits, dividends


def _notes(timeframe: Timeframe, sums: _Sums) -> list[str]:
    """Return what looks odd; the steps are known unless blocks of rows are shuffled together."""
    step = sums.least_step // MICROS
    if sums.is_apart and sums.least_step < np.iinfo(np.int64).max and step > timeframe.seconds:
        return [f"no two rows lie closer than {step} s: is {timeframe.value} the right timeframe?"]
    return []
