"""Files of trades, quotes, quote bars and order books become rows, all by the same steps."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db import transaction

from domain.bars import IntArray, Timeframe, to_micros
from marketdata.calendars import Calendar, calendar_named
from marketdata.depth_files import LEVELS, MESSAGES
from marketdata.file_kinds import FileKind, read_kind
from marketdata.quote_files import BAR_PRICES, QUOTES, quote_bars
from marketdata.row_layouts import Columns, RawRows
from marketdata.services import staging as tables
from marketdata.services.import_ledger import ImportLedger, Progress, SeenValues, iso
from marketdata.services.name_instruments import (
    InstrumentOptions,
    find_or_make,
    finer_than_stored,
    grid_words,
    set_grid,
)
from marketdata.services.staging import Table, TableStaging
from marketdata.tick_files import TRADES

# Of rows that carry their own instrument.
Owners = Callable[[Columns], IntArray]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """Where the rows of a kind of file go; `prices` and `sizes` show an instrument's grid."""

    word: str
    kind: FileKind
    table: Table
    prices: tuple[str, ...]
    sizes: tuple[str, ...]
    timeframe: str = ""


TICK_PLAN = ImportPlan("ticks", TRADES, tables.TICKS, ("price",), ("size",))
QUOTE_PLAN = ImportPlan("quotes", QUOTES, tables.QUOTES, ("bid", "ask"), ("bid_size", "ask_size"))
LEVEL_PLAN = ImportPlan("depth", LEVELS, tables.DEPTH_LEVELS, ("price",), ("quantity",))
MESSAGE_PLAN = ImportPlan("depth", MESSAGES, tables.BOOK_MESSAGES, ("price",), ("size",))


def quote_bar_plan(timeframe: Timeframe, calendar: Calendar | None = None) -> ImportPlan:
    """Return the plan of files of bid and ask bars."""
    return ImportPlan(
        word="quotes",
        kind=quote_bars(timeframe, calendar),
        table=tables.QUOTE_BARS,
        prices=BAR_PRICES,
        sizes=("bid_size", "ask_size"),
        timeframe=timeframe.value,
    )


@dataclass(frozen=True, slots=True)
class ImportedRows:
    """What became of the rows of one file: rows = inserted + unchanged + rejected."""

    kind: str
    instrument: str
    is_new_instrument: bool
    timeframe: str
    source: str
    rows: int
    inserted: int
    unchanged: int
    rejected: int
    reasons: dict[str, int]
    crossed: int
    tick_size: str
    lot_size: str
    grid: str
    first: str
    last: str
    notes: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the plain values."""
        return asdict(self)


@dataclass
class Staged:
    """What the staged rows of one file show."""

    seen: SeenValues
    crossed: int = 0

    @property
    def notes(self) -> list[str]:
        """Return what a person should know of the rows."""
        notes = []
        if self.seen.went_back:
            notes.append(f"{self.seen.went_back:,} times the next row was older: stored by time")
        if self.crossed:
            notes.append(f"{self.crossed:,} rows have a bid above their ask: kept")
        return notes


def import_rows(
    *,
    path: Path,
    plan: ImportPlan,
    instrument: InstrumentOptions,
    zone: ZoneInfo | None = None,
    progress: Progress = lambda _: None,
    now: datetime | None = None,
) -> ImportedRows:
    """Bring one file into the record in one transaction; return what became of its rows.

    A row whose key is stored with other values is refused: the first one counts. Interrupted or
    killed, the file has left nothing: importing it again is all there is to do.
    """
    with transaction.atomic():
        stored_as, is_new = find_or_make(instrument)
        if plan.table is tables.QUOTE_BARS and stored_as.calendar:
            calendar = calendar_named(stored_as.calendar)
            plan = replace(plan, kind=quote_bars(Timeframe.parse(plan.timeframe), calendar))
        ledger = ImportLedger(path=path, kind=plan.word, timeframe=plan.timeframe)

        def blocks() -> Iterator[RawRows]:
            now_micros = to_micros(now or datetime.now(UTC))
            return read_kind(path, plan.kind, now_micros=now_micros, zone=zone)

        with TableStaging(plan.table) as staging:
            staged = stage_rows(
                blocks=blocks(), plan=plan, ledger=ledger, staging=staging, progress=progress
            )
            stored = staging.store(instrument_id=stored_as.pk)
        ledger.take_back(stored.differing, blocks())
        notes = staged.notes
        if is_new:
            set_grid(stored_as, instrument, staged.seen.grid)
        else:
            notes += finer_than_stored(stored_as, staged.seen.grid)
        report = ImportedRows(
            kind=plan.kind.word,
            instrument=str(stored_as),
            is_new_instrument=is_new,
            timeframe=plan.timeframe,
            source=path.name,
            rows=ledger.rows,
            inserted=stored.inserted,
            unchanged=stored.unchanged,
            rejected=ledger.rejected,
            reasons=ledger.reasons_in_words(),
            crossed=staged.crossed,
            tick_size=f"{stored_as.tick_size.normalize():f}",
            lot_size=f"{stored_as.lot_size.normalize():f}",
            grid=grid_words(is_new=is_new, options=instrument),
            first=iso(staged.seen.first),
            last=iso(staged.seen.last),
            notes=notes,
        )
        ledger.close(
            instrument=stored_as,
            inserted=stored.inserted,
            unchanged=stored.unchanged,
            report=report.as_json(),
        )
    return report


def stage_rows(
    *,
    blocks: Iterator[RawRows],
    plan: ImportPlan,
    ledger: ImportLedger,
    staging: TableStaging,
    progress: Progress,
    owners: Owners | None = None,
) -> Staged:
    """Copy the good rows into the staging table and the bad ones into quarantine."""
    staged = Staged(SeenValues())
    for rows in blocks:
        fine = ledger.take(rows, rows.reasons)
        if fine.any():
            columns = {name: values[fine] for name, values in rows.columns.items()}
            if owners is not None:
                columns["instrument_id"] = owners(columns)
            staging.add(_as_columns(staging.into, columns, plan.timeframe), rows.line[fine])
            staged.seen.take(
                columns[plan.kind.time],
                [columns[name] for name in plan.prices],
                [columns[name] for name in plan.sizes],
            )
            if "is_crossed" in columns:
                staged.crossed += int(columns["is_crossed"].sum())
        progress(ledger.rows)
    ledger.refuse_hopeless()
    return staged


def _as_columns(table: Table, columns: Columns, timeframe: str) -> Columns:
    """Return one array per column of the table; what the file does not have is NULL."""
    rows = len(next(iter(columns.values())))
    found = columns | {"timeframe": np.full(rows, timeframe, dtype=object)}
    missing = np.ma.masked_all(rows, dtype=np.int64)
    return {name: found.get(name, missing) for name, _ in table.columns}
