"""Files of option chains become contracts, their quotes and open interest; forwards become ticks.

A contract's symbol is UNDERLYING-YYYYMMDD-STRIKE-RIGHT, a forward's UNDERLYING-YYYYMMDD-FWD.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection, transaction

from domain.bars import IntArray, from_micros, to_micros
from marketdata.calendars import calendar_named
from marketdata.chain_files import CHAIN, CHAIN_LINES, Contract, contracts_in
from marketdata.file_kinds import read_kind
from marketdata.models import Instrument
from marketdata.row_files import read_rows
from marketdata.row_layouts import Columns, RawRows
from marketdata.services import staging as tables
from marketdata.services.import_ledger import ImportLedger, Progress, iso
from marketdata.services.import_rows import ImportedRows, ImportPlan, Staged, stage_rows
from marketdata.services.name_instruments import (
    BadInstrumentError,
    InstrumentOptions,
    check_options,
    grid_words,
)
from marketdata.services.partitions import ensure_partitions
from marketdata.services.staging import TableStaging
from marketdata.tick_files import FORWARD_TICKS, FORWARDS

CHAIN_PLAN = ImportPlan(
    "chain",
    CHAIN,
    tables.OPTION_QUOTES,
    prices=("bid", "ask", "last"),
    sizes=("volume", "open_interest"),
)
FORWARD_PLAN = ImportPlan(
    "chain",
    FORWARD_TICKS,
    replace(tables.TICKS, columns=(("instrument_id", "bigint"), *tables.TICKS.columns)),
    prices=("price",),
    sizes=(),
)
# A contract's open interest is kept when it is first seen on a UTC day, and when it changes.
KEEP_OPEN_INTEREST = """
WITH changes AS MATERIALIZED (
    SELECT instrument_id, observed_at, open_interest FROM (
        SELECT instrument_id, observed_at, open_interest, lag(open_interest) OVER (
            PARTITION BY instrument_id, (observed_at AT TIME ZONE 'UTC')::date
            ORDER BY observed_at) AS before
        FROM marketdata_optionquote
        WHERE instrument_id = ANY(%(contracts)s) AND open_interest IS NOT NULL
          AND observed_at >= %(since)s AND observed_at < %(until)s) q
    WHERE open_interest IS DISTINCT FROM before
), no_longer AS (
    DELETE FROM marketdata_openinterest o
    WHERE instrument_id = ANY(%(contracts)s) AND source_id IS NULL
      AND observed_at >= %(since)s AND observed_at < %(until)s
      AND NOT EXISTS (SELECT FROM changes c
        WHERE c.instrument_id = o.instrument_id AND c.observed_at = o.observed_at)
)
INSERT INTO marketdata_openinterest (instrument_id, observed_at, open_interest)
SELECT instrument_id, observed_at, open_interest FROM changes ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class ChainOptions:
    """What a chain's file does not say: forwards not their underlying; a chain must agree to it."""

    venue: str
    underlying: str = ""
    underlying_kind: str | None = None
    currency: str | None = None
    tick_size: Decimal | None = None
    lot_size: Decimal | None = None
    multiplier: Decimal | None = None
    calendar: str | None = None

    def of(self, symbol: str) -> InstrumentOptions:
        """Return the options of one contract."""
        return InstrumentOptions(
            symbol=symbol,
            venue=self.venue,
            currency=self.currency,
            tick_size=self.tick_size,
            lot_size=self.lot_size,
            multiplier=self.multiplier,
            calendar=self.calendar,
        )


class ContractBook:
    """The instruments of one file's contracts, made where they are missing."""

    def __init__(self, path: Path, options: ChainOptions) -> None:
        self.path = path
        self.options = options
        self.underlyings: dict[str, Instrument] = {}
        self.ids: dict[str, int] = {}
        self.new: list[int] = []
        self.notes: list[str] = []

    def options_of(self, columns: Columns) -> IntArray:
        """Return the instrument of each row of a chain."""
        contracts, which = contracts_in(columns)
        self._refuse_others(contracts)
        self._learn([self._option(one) for one in contracts if one.symbol not in self.ids])
        return np.array([self.ids[one.symbol] for one in contracts], dtype=np.int64)[which]

    def _refuse_others(self, contracts: Sequence[Contract]) -> None:
        """Raise when contracts have another underlying than the one that was asked for."""
        wanted = self.options.underlying
        others = sorted({one.underlying for one in contracts} - {wanted})
        if wanted and others:
            raise BadInstrumentError(
                f"{self.path}: rows name {others[0]}, not {wanted}: wrong --underlying?"
                " Nothing was stored"
            )

    def forwards_of(self, columns: Columns) -> IntArray:
        """Return the instrument of each row of forwards."""
        days, which = np.unique(columns["expiry"], return_inverse=True)
        expiries = [from_micros(day).date() for day in days.tolist()]
        symbols = [f"{self.options.underlying}-{expiry:%Y%m%d}-FWD" for expiry in expiries]
        self._learn(
            [
                self._derived(symbol, self.options.underlying, expiry)
                for symbol, expiry in zip(symbols, expiries, strict=True)
                if symbol not in self.ids
            ]
        )
        return np.array([self.ids[symbol] for symbol in symbols], dtype=np.int64)[which]

    def _learn(self, wanted: Sequence[Instrument]) -> None:
        """Find or make these instruments; one stored with other terms is refused."""
        if not wanted:
            return
        venue = self.options.venue
        symbols = [one.symbol for one in wanted]
        stored = Instrument.objects.filter(venue=venue, symbol__in=symbols)
        known = {one.symbol: one for one in stored}
        made = Instrument.objects.bulk_create(
            [one for one in wanted if one.symbol not in known], batch_size=1000
        )
        self.new += [one.pk for one in made]
        for one in wanted:
            if (found := known.get(one.symbol)) is not None and _terms(found) != _terms(one):
                raise BadInstrumentError(f"{found} is stored with other terms than the file's")
        self.ids |= {one.symbol: one.pk for one in (*known.values(), *made)}

    def _option(self, contract: Contract) -> Instrument:
        instrument = self._derived(contract.symbol, contract.underlying, contract.expiry)
        instrument.kind = "option"
        instrument.strike = Decimal(repr(contract.strike))
        instrument.right = contract.right
        return instrument

    def _derived(self, symbol: str, underlying: str, expiry: date) -> Instrument:
        options, parent = self.options.of(symbol), self._underlying(underlying)
        check_options(options)
        calendar = options.calendar or parent.calendar
        return Instrument(
            venue=options.venue,
            symbol=symbol,
            kind="index",
            currency=options.currency or parent.currency,
            tick_size=options.tick_size or 1,  # known after the last row: `set_grid`
            lot_size=options.lot_size or 1,
            multiplier=options.multiplier or 1,
            calendar=calendar,
            underlying=parent,
            expires_at=_expires_at(expiry, calendar),
        )

    def _underlying(self, symbol: str) -> Instrument:
        if symbol not in self.underlyings:
            options = InstrumentOptions(
                symbol, self.options.venue, self.options.underlying_kind, self.options.currency
            )
            check_options(options)
            found, is_new = Instrument.objects.get_or_create(
                venue=options.venue,
                symbol=symbol,
                defaults={
                    "kind": options.kind or "equity",
                    "currency": options.currency or "USD",
                    "tick_size": Decimal("0.01"),
                    "lot_size": Decimal(1),
                    "calendar": self.options.calendar or "",
                },
            )
            if is_new:
                self.notes.append(
                    f"made the underlying {found} ({found.kind}): its tick of 0.01 is a guess"
                )
            self.underlyings[symbol] = found
        return self.underlyings[symbol]

    def set_grid(self, staged: Staged) -> None:
        """Give the new contracts the tick and lot their prices show, unless they were given."""
        Instrument.objects.filter(pk__in=self.new).update(
            tick_size=self.options.tick_size or staged.seen.grid.tick_size,
            lot_size=self.options.lot_size or staged.seen.grid.lot_size,
        )


def import_chain(
    *,
    path: Path,
    options: ChainOptions,
    zone: ZoneInfo | None = None,
    progress: Progress = lambda _: None,
    now: datetime | None = None,
) -> ImportedRows:
    """Bring one file of a chain, or of derived forwards, into the record in one transaction."""
    with transaction.atomic():
        is_chain = next(read_rows(path, (CHAIN_LINES, FORWARDS))).layout.has("strike")
        if not is_chain and not options.underlying:
            raise BadInstrumentError(f"{path}: forwards of what? Give --underlying")
        plan = CHAIN_PLAN if is_chain else FORWARD_PLAN
        ledger = ImportLedger(path=path, kind=plan.word)
        book = ContractBook(path, options)

        def blocks() -> Iterator[RawRows]:
            now_micros = to_micros(now or datetime.now(UTC))
            return read_kind(path, plan.kind, now_micros=now_micros, zone=zone)

        with TableStaging(plan.table) as staging:
            staged = stage_rows(
                blocks=blocks(),
                plan=plan,
                ledger=ledger,
                staging=staging,
                progress=progress,
                owners=book.options_of if is_chain else book.forwards_of,
            )
            stored = staging.store(instrument_id=None)
        ledger.take_back(stored.differing, blocks())
        book.set_grid(staged)
        if is_chain:
            _keep_open_interest(list(book.ids.values()), staged)
        report = _report(path, plan, ledger, book, staged, stored)
        ledger.close(
            instrument=_only(book.underlyings),
            inserted=stored.inserted,
            unchanged=stored.unchanged,
            report=report.as_json(),
        )
    return report


def _report(
    path: Path,
    plan: ImportPlan,
    ledger: ImportLedger,
    book: ContractBook,
    staged: Staged,
    stored: tables.StagedRows,
) -> ImportedRows:
    example = Instrument.objects.get(pk=next(iter(book.ids.values())))
    is_new = example.pk in book.new
    return ImportedRows(
        kind=plan.kind.word,
        instrument=", ".join(str(one) for one in book.underlyings.values()),
        is_new_instrument=bool(book.new),
        timeframe="",
        source=path.name,
        rows=ledger.rows,
        inserted=stored.inserted,
        unchanged=stored.unchanged,
        rejected=ledger.rejected,
        reasons=ledger.reasons_in_words(),
        crossed=staged.crossed,
        tick_size=f"{example.tick_size.normalize():f}",
        lot_size=f"{example.lot_size.normalize():f}",
        grid=grid_words(is_new=is_new, options=book.options.of("")),
        first=iso(staged.seen.first),
        last=iso(staged.seen.last),
        notes=[
            f"{len(book.ids):,} instruments, {len(book.new):,} of them new",
            *book.notes,
            *staged.notes,
        ],
    )


def _terms(instrument: Instrument) -> tuple[object, ...]:
    return (instrument.kind, instrument.strike, instrument.right, instrument.underlying_id)


def _expires_at(expiry: date, calendar: str) -> datetime:
    """Return the close of the last session, the end of its UTC day where it is not known."""
    market = calendar_named(calendar)
    session = None if market is None else market.session_of(expiry)
    if session is not None:
        return session[1]
    return datetime(expiry.year, expiry.month, expiry.day, tzinfo=UTC) + timedelta(days=1)


def _keep_open_interest(contracts: list[int], staged: Staged) -> None:
    day = timedelta(days=1)
    since = from_micros(staged.seen.first).replace(hour=0, minute=0, second=0, microsecond=0)
    until = from_micros(staged.seen.last).replace(hour=0, minute=0, second=0, microsecond=0) + day
    ensure_partitions(table=tables.OPEN_INTEREST.name, first=since, last=until - day)
    with connection.cursor() as cursor:
        cursor.execute(KEEP_OPEN_INTEREST, {"contracts": contracts, "since": since, "until": until})


def _only(found: dict[str, Instrument]) -> Instrument | None:
    return next(iter(found.values())) if len(found) == 1 else None
