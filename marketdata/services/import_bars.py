"""A file of bars becomes rows: all of it or nothing, and twice is the same as once."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from django.db import transaction

from domain.bars import BarSeries, FloatArray, IntArray, Split, Timeframe, to_micros
from domain.errors import PlumblineError
from marketdata.bar_files import BadBarFileError, RawBars, read_bar_file
from marketdata.data_quality import MICROS, Reason, check_bars, decimals_of
from marketdata.models import DataImport, Instrument
from marketdata.services.ingest_bars import BarStaging, StoredBars
from marketdata.services.insert_rows import insert_rows
from marketdata.services.record_splits import record_splits
from marketdata.split_detection import splits_in_factors

Progress = Callable[[int], None]

LONGEST_TEXT = 400
FRACTIONAL_LOT = Decimal("0.00001")


class BadInstrumentError(PlumblineError):
    """The instrument cannot be made, or is not what the options say."""

    code = "bad_instrument"


@dataclass(frozen=True, slots=True)
class InstrumentOptions:
    """Which instrument the file is about; what is None is inferred or taken as it is stored."""

    symbol: str
    venue: str
    kind: str | None = None
    currency: str | None = None
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ImportedBars:
    """What became of the rows of one file: rows = stored + repeated + rejected."""

    instrument: str
    is_new_instrument: bool
    timeframe: str
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
    first: str
    last: str
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the plain values."""
        return asdict(self)


@dataclass
class _Sums:
    """What is known of the file so far."""

    rows: int = 0
    reasons: Counter[Reason] = field(default_factory=Counter)
    decimals: int = 0
    has_fractions: bool = False
    first: int = np.iinfo(np.int64).max
    last: int = np.iinfo(np.int64).min
    is_rising: bool = True
    least_step: int = np.iinfo(np.int64).max
    example: str = ""
    factor_times: list[IntArray] = field(default_factory=list)
    factors: list[FloatArray] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Return how many rows were refused."""
        return sum(self.reasons.values())

    def take(self, bars: BarSeries, split_factor: FloatArray | None) -> None:
        """Count in the accepted bars of one chunk."""
        steps = np.diff(bars.opened_at)
        self.is_rising &= bool((steps > 0).all()) and int(bars.opened_at[0]) > self.last
        if (steps > 0).any():
            self.least_step = min(self.least_step, int(steps[steps > 0].min()))
        self.first = min(self.first, int(bars.opened_at.min()))
        self.last = max(self.last, int(bars.opened_at.max()))
        self.decimals = max(self.decimals, decimals_of(bars))
        self.has_fractions |= bool((bars.volume[~np.isnan(bars.volume)] % 1 != 0).any())
        if split_factor is not None:
            self.factor_times.append(bars.opened_at)
            self.factors.append(split_factor)


def import_bars(
    *,
    path: Path,
    timeframe: Timeframe,
    instrument: InstrumentOptions,
    progress: Progress = lambda _: None,
    now: datetime | None = None,
) -> ImportedBars:
    """Bring one file into the record in one transaction; return what became of its rows.

    Refused rows go to `RejectedRow`. When every row is refused nothing is stored.
    """
    now_micros = to_micros(now or datetime.now(UTC))
    sha256 = _sha256(path)
    with transaction.atomic():
        stored_as, is_new = _find_or_make(instrument)
        record = DataImport.objects.create(
            instrument=stored_as,
            timeframe=timeframe.value,
            source=path.name[:200],
            sha256=sha256,
            rows=0,
            inserted=0,
            unchanged=0,
            corrected=0,
            rejected=0,
        )
        with BarStaging() as staging:
            sums = _stage(
                path=path,
                timeframe=timeframe,
                staging=staging,
                import_id=record.pk,
                now_micros=now_micros,
                progress=progress,
            )
            _refuse_hopeless(path, timeframe, sums)
            repeated = (
                0 if sums.is_rising else _drop_repeated(path, timeframe, staging, record.pk, sums)
            )
            counts = staging.store(
                instrument_id=stored_as.pk, timeframe=timeframe, import_id=record.pk
            )
        splits = record_splits(
            instrument_id=stored_as.pk, splits=_splits(sums), source=f"split_factor of {path.name}"
        )
        if is_new:
            _set_grid(stored_as, instrument, sums)
        _close(record, sums, counts)
    return ImportedBars(
        instrument=str(stored_as),
        is_new_instrument=is_new,
        timeframe=timeframe.value,
        rows=sums.rows,
        inserted=counts.inserted,
        unchanged=counts.unchanged,
        corrected=counts.corrected,
        repeated=repeated,
        rejected=sums.rejected,
        reasons={reason.text: count for reason, count in sorted(sums.reasons.items())},
        tick_size=f"{stored_as.tick_size.normalize():f}",
        lot_size=f"{stored_as.lot_size.normalize():f}",
        grid=_grid_words(is_new=is_new, options=instrument),
        splits=splits,
        first=_iso(sums.first),
        last=_iso(sums.last),
        notes=_notes(timeframe, sums),
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadBarFileError(f"{path}: {error.strerror or error}") from None


def _find_or_make(options: InstrumentOptions) -> tuple[Instrument, bool]:
    """Return the instrument and whether it is new; options that contradict the stored one fail."""
    _check_options(options)
    instrument, is_new = Instrument.objects.get_or_create(
        venue=options.venue,
        symbol=options.symbol,
        defaults={
            "kind": options.kind or "equity",
            "currency": options.currency or "USD",
            # The grid is known after the last row: `_set_grid`.
            "tick_size": options.tick_size or 1,
            "lot_size": options.lot_size or 1,
        },
    )
    if not is_new:
        for name in ("kind", "currency", "tick_size", "lot_size"):
            wanted, stored = getattr(options, name), getattr(instrument, name)
            if wanted is not None and wanted != stored:
                raise BadInstrumentError(
                    f"{instrument} is stored with {name} {stored}, not {wanted}"
                )
    return instrument, is_new


def _check_options(options: InstrumentOptions) -> None:
    for name, text, longest in (
        ("symbol", options.symbol, 40),
        ("venue", options.venue, 20),
        ("currency", options.currency or "USD", 10),
    ):
        if not text or len(text) > longest or not text.isprintable() or text != text.strip():
            raise BadInstrumentError(f"{name} '{text}' must be 1 to {longest} printable characters")
        if name != "symbol" and ":" in text:
            raise BadInstrumentError(f"{name} '{text}' must not hold a colon")
    kinds = [kind for kind, _ in Instrument.KINDS]
    if options.kind is not None and options.kind not in kinds:
        raise BadInstrumentError(f"unknown kind '{options.kind}'; known: {', '.join(kinds)}")
    for name in ("tick_size", "lot_size"):
        size = getattr(options, name)
        if size is not None and not (size.is_finite() and 0 < size < 10**9):
            raise BadInstrumentError(f"{name} {size} must lie above 0 and below 1000000000")
        if size is not None and size != round(size, 10):
            raise BadInstrumentError(f"{name} {size} has more than 10 decimals")


def _stage(
    *,
    path: Path,
    timeframe: Timeframe,
    staging: BarStaging,
    import_id: int,
    now_micros: int,
    progress: Progress,
) -> _Sums:
    """Copy the good rows into the staging table and the bad ones into quarantine."""
    sums = _Sums()
    for raw in read_bar_file(path, timeframe=timeframe):
        found = check_bars(raw.bars, timeframe=timeframe, now_micros=now_micros)
        reasons = np.where(raw.reasons != 0, raw.reasons, found)
        _reject(raw, reasons, import_id, sums)
        fine = reasons == 0
        if fine.any():
            bars = chosen(raw.bars, fine)
            factor = None if raw.split_factor is None else raw.split_factor[fine]
            staging.take(bars, raw.line[fine])
            sums.take(bars, factor)
        sums.rows += len(raw)
        progress(sums.rows)
    return sums


def chosen(bars: BarSeries, where: Any) -> BarSeries:
    """Return the bars picked by a mask or by positions."""
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return BarSeries(
        bars.opened_at[where], bars.closed_at[where], *(column[where] for column in columns)
    )


def _reject(raw: RawBars, reasons: Any, import_id: int, sums: _Sums) -> None:
    bad = np.flatnonzero(reasons).tolist()
    rows = [(int(raw.line[at]), raw.text(at), Reason(int(reasons[at]))) for at in bad]
    _quarantine(import_id, rows, sums)


def _quarantine(import_id: int, rows: Sequence[tuple[int, str, Reason]], sums: _Sums) -> None:
    """Keep refused rows: line, text, reason."""
    sums.reasons.update(reason for _, _, reason in rows)
    if rows and not sums.example:
        sums.example = f"line {rows[0][0]}: {rows[0][2].text}"
    insert_rows(
        table="marketdata_rejectedrow",
        columns=(
            ("data_import_id", "bigint"),
            ("line", "bigint"),
            ("text", "varchar(400)"),
            ("reason", "varchar(120)"),
        ),
        rows=[
            (import_id, line, text.replace("\x00", "�")[:LONGEST_TEXT], reason.text)
            for line, text, reason in rows
        ],
    )


def _refuse_hopeless(path: Path, timeframe: Timeframe, sums: _Sums) -> None:
    """Raise when no row is good, or when the timeframe is plainly not the file's."""
    if sums.rejected == sums.rows:
        raise BadBarFileError(
            f"{path}: every one of {sums.rows:,} rows was refused ({sums.example});"
            " nothing was stored"
        )
    if sums.reasons[Reason.OFF_GRID] * 2 > sums.rows:
        raise BadBarFileError(
            f"{path}: most rows lie beside the {timeframe.value} grid ({sums.example}):"
            " wrong timeframe? Nothing was stored"
        )


def _drop_repeated(
    path: Path, timeframe: Timeframe, staging: BarStaging, import_id: int, sums: _Sums
) -> int:
    """Keep each time's first row; return how many rows repeat it, quarantine those that differ."""
    repeated, differing = staging.sort_out()
    if differing:
        wanted = np.array(differing, dtype=np.int64)
        for raw in read_bar_file(path, timeframe=timeframe):
            at_lines = np.flatnonzero(np.isin(raw.line, wanted)).tolist()
            rows = [
                (int(raw.line[at]), raw.text(at), Reason.DIFFERS_FROM_EARLIER_ROW)
                for at in at_lines
            ]
            _quarantine(import_id, rows, sums)
    return repeated


def _splits(sums: _Sums) -> tuple[Split, ...]:
    if not sums.factors:
        return ()
    times, first = np.unique(np.concatenate(sums.factor_times), return_index=True)
    return splits_in_factors(opened_at=times, split_factor=np.concatenate(sums.factors)[first])


def _set_grid(instrument: Instrument, options: InstrumentOptions, sums: _Sums) -> None:
    """Give a new instrument the tick and lot its data show, where no option said them."""
    instrument.tick_size = options.tick_size or Decimal(1).scaleb(-sums.decimals)
    instrument.lot_size = options.lot_size or (FRACTIONAL_LOT if sums.has_fractions else Decimal(1))
    instrument.save(update_fields=("tick_size", "lot_size"))


def _close(record: DataImport, sums: _Sums, counts: StoredBars) -> None:
    record.rows = sums.rows
    record.inserted = counts.inserted
    record.unchanged = counts.unchanged
    record.corrected = counts.corrected
    record.rejected = sums.rejected
    record.save()


def _grid_words(*, is_new: bool, options: InstrumentOptions) -> str:
    if not is_new:
        return "as stored"
    tick = "given" if options.tick_size else "inferred from the decimals of the prices"
    lot = "given" if options.lot_size else "inferred from the volumes"
    return f"tick {tick}, lot {lot}"


def _notes(timeframe: Timeframe, sums: _Sums) -> list[str]:
    step = sums.least_step // MICROS
    if sums.least_step < np.iinfo(np.int64).max and step > timeframe.seconds:
        return [f"no two rows lie closer than {step} s: is {timeframe.value} the right timeframe?"]
    return []


def _iso(micros: int) -> str:
    return f"{np.datetime64(micros, 'us').astype('datetime64[s]')}Z"
