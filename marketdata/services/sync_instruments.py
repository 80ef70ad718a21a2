"""A master becomes instruments: what is new, what differs, what has expired, each row told apart.

The rows travel once, by COPY into a temporary table; the rest is a handful of statements, so a
master of a hundred thousand contracts takes seconds. Twice is the same as once.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import Any

from django.db import connection, transaction

from domain.errors import PlumblineError
from marketdata.feeds.base import FeedInstrument
from marketdata.instrument_masters import MasterRow
from marketdata.models import DataImport, Provider
from marketdata.services.import_ledger import LONGEST_TEXT, Progress
from marketdata.services.insert_rows import insert_rows

ROWS_PER_COPY = 10_000
LONGEST_REASON = 120
# A stored report names so many of each kind; the counts are always of all.
MOST_NAMED = 1000
# A "complete" master that lacks more than this part of what a venue lists is not complete.
MOST_MISSING = 0.5
FEW = 20
# One master at a time.
IMPORT_LOCK = 20_020

NEEDED_COLUMNS = ("kind", "currency", "tick_size", "lot_size")
STAGED = (
    *("line bigint", "venue text", "symbol text", "kind text", "currency text"),
    *("tick_size numeric", "lot_size numeric", "multiplier numeric", "calendar text"),
    *("expires_at timestamptz", "strike numeric", '"right" text', "u_venue text"),
    *("u_symbol text", "provider_symbol text"),
)
FIND = """
    coming_in_instrument s
    JOIN marketdata_instrument i ON i.venue = s.venue AND i.symbol = s.symbol
    LEFT JOIN marketdata_instrument u ON u.venue = s.u_venue AND u.symbol = s.u_symbol
"""
# What a master does not say stays as it is stored; what it lists is listed, until it expires.
SAID = {
    "kind": "s.kind",
    "currency": "s.currency",
    "tick_size": "s.tick_size",
    "lot_size": "s.lot_size",
    "multiplier": "coalesce(s.multiplier, i.multiplier)",
    "calendar": "coalesce(s.calendar, i.calendar)",
    "expires_at": "coalesce(s.expires_at, i.expires_at)",
    "strike": "coalesce(s.strike, i.strike)",
    '"right"': 'coalesce(s."right", i."right")',
    "underlying_id": "coalesce(u.id, i.underlying_id)",
    "is_active": "i.is_active OR coalesce(s.expires_at, i.expires_at, 'infinity') > %(now)s",
}
DIFFERS = (
    f"({', '.join(f'i.{name}' for name in SAID)}) IS DISTINCT FROM ({', '.join(SAID.values())})"
)
INSERT = """
INSERT INTO marketdata_instrument (venue, symbol, kind, currency, tick_size, lot_size, multiplier,
    calendar, expires_at, strike, "right", underlying_id, is_active)
SELECT s.venue, s.symbol, s.kind, s.currency, s.tick_size, s.lot_size, coalesce(s.multiplier, 1),
    coalesce(s.calendar, ''), s.expires_at, s.strike, coalesce(s."right", ''), u.id,
    coalesce(s.expires_at > %(now)s, true)
FROM coming_in_instrument s
LEFT JOIN marketdata_instrument u ON u.venue = s.u_venue AND u.symbol = s.u_symbol
WHERE (s.u_symbol IS NULL OR u.id IS NOT NULL) AND NOT EXISTS (
    SELECT FROM marketdata_instrument i WHERE i.venue = s.venue AND i.symbol = s.symbol)
ORDER BY s.line ON CONFLICT (venue, symbol) DO NOTHING RETURNING venue || ':' || symbol
"""
ORPHANS = """
DELETE FROM coming_in_instrument s WHERE s.u_symbol IS NOT NULL AND NOT EXISTS (
    SELECT FROM marketdata_instrument u WHERE u.venue = s.u_venue AND u.symbol = s.u_symbol)
RETURNING s.line, s.venue, s.symbol, s.u_venue || ':' || s.u_symbol
"""
INSTANT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
WORDS = {
    "tick_size": "trim_scale({})::text",
    "lot_size": "trim_scale({})::text",
    "multiplier": "trim_scale({})::text",
    "strike": "trim_scale({})::text",
    "expires_at": INSTANT,
    "underlying_id": "(SELECT n.venue || ':' || n.symbol FROM marketdata_instrument n"
    " WHERE n.id = {})",
}
CHANGES = f"""
SELECT i.venue || ':' || i.symbol, f.name, coalesce(f.old, ''), coalesce(f.new, '') FROM {FIND}
CROSS JOIN LATERAL (VALUES {
    ", ".join(
        "('{}', {}, {})".format(
            name.strip('"').removesuffix("_id"),
            WORDS.get(name, "({})::text").format(f"i.{name}"),
            WORDS.get(name, "({})::text").format(said),
        )
        for name, said in SAID.items()
    )
}) AS f(name, old, new)
WHERE {DIFFERS} AND f.old IS DISTINCT FROM f.new ORDER BY s.line
"""
UPDATE = f"""
UPDATE marketdata_instrument t SET {", ".join(f"{name} = n.{name}" for name in SAID)} FROM (
    SELECT i.id, {", ".join(f"{said} AS {name}" for name, said in SAID.items())}
    FROM {FIND} WHERE {DIFFERS}
) n WHERE t.id = n.id
"""
EXPIRE = """
UPDATE marketdata_instrument SET is_active = false WHERE is_active AND expires_at <= %(now)s
RETURNING venue || ':' || symbol
"""
MISSING = """
FROM marketdata_instrument i WHERE i.is_active
AND i.venue IN (SELECT venue FROM coming_in_instrument) AND NOT EXISTS (
    SELECT FROM coming_in_instrument s WHERE s.venue = i.venue AND s.symbol = i.symbol)
AND NOT EXISTS (SELECT FROM refused_instrument r WHERE r.venue = i.venue AND r.symbol = i.symbol)
"""
MAP_AGAIN = """
DELETE FROM marketdata_providersymbol p USING coming_in_instrument s
JOIN marketdata_instrument i ON i.venue = s.venue AND i.symbol = s.symbol
WHERE s.provider_symbol IS NOT NULL AND p.provider_id = %(provider)s
AND (p.instrument_id = i.id) <> (p.symbol = s.provider_symbol)
AND (p.instrument_id = i.id OR p.symbol = s.provider_symbol)
"""
MAP = """
INSERT INTO marketdata_providersymbol (provider_id, instrument_id, symbol)
SELECT %(provider)s, i.id, s.provider_symbol FROM coming_in_instrument s
JOIN marketdata_instrument i ON i.venue = s.venue AND i.symbol = s.symbol
WHERE s.provider_symbol IS NOT NULL ON CONFLICT DO NOTHING
"""


class BadMasterError(PlumblineError):
    """The master as a whole cannot be what it is said to be; nothing was stored."""

    code = "bad_master"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one instrument that the master has otherwise."""

    instrument: str
    field: str
    old: str
    new: str


@dataclass(frozen=True)
class InstrumentReport:
    """What a master changed. Rows = added + changed + unchanged + repeated + rejected.

    Counts are of all; lists name the first thousand of each. `changed_lots` stand apart: they
    alter what an order of so many lots is worth.
    """

    source: str
    rows: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    repeated: int = 0
    rejected: int = 0
    expired: int = 0
    missing: int = 0
    symbols: int = 0
    fields: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    added_names: list[str] = field(default_factory=list)
    changed_lots: list[Change] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    expired_names: list[str] = field(default_factory=list)
    missing_names: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_dry_run: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the plain values."""
        return asdict(self)


def sync_instruments(
    *,
    rows: Iterable[MasterRow],
    source: str,
    sha256: str = "",
    provider: Provider | None = None,
    is_complete: bool = False,
    is_dry_run: bool = False,
    now: datetime | None = None,
    progress: Progress = lambda _: None,
) -> InstrumentReport:
    """Bring a master into the record in one transaction; return the difference it made.

    `provider`: its symbols are kept too. `is_complete`: what the master's venues list and it does
    not is no longer listed. Nothing is ever deleted, and a dry run stores nothing at all.
    """
    at = {"now": now or datetime.now(UTC), "provider": provider.pk if provider else None}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [IMPORT_LOCK])
        record = DataImport.objects.create(kind="instruments", source=source[:200], sha256=sha256)
        master = _Master(cursor, record.pk, source)
        master.stage(rows, progress)
        added = master.add(at)
        if master.rejected == master.rows:
            raise BadMasterError(
                f"{source}: every one of {master.rows:,} rows was refused ({master.example});"
                " nothing was stored"
            )
        cursor.execute(CHANGES, at)
        changes = [Change(*row) for row in cursor.fetchall()]
        cursor.execute(UPDATE, at)
        changed = cursor.rowcount
        cursor.execute(EXPIRE, at)
        expired = _names(cursor)
        missing, notes = master.missing() if is_complete else ([], [])
        symbols = master.map_symbols(at) if provider else 0
        kept = master.rows - master.rejected - master.repeated
        report = InstrumentReport(
            source=source,
            rows=master.rows,
            added=len(added),
            changed=changed,
            unchanged=kept - len(added) - changed,
            repeated=master.repeated,
            rejected=master.rejected,
            expired=len(expired),
            missing=len(missing),
            symbols=symbols,
            fields=dict(sorted(Counter(one.field for one in changes).items())),
            reasons=dict(master.reasons.most_common(100)),
            added_names=added[:MOST_NAMED],
            changed_lots=[one for one in changes if one.field == "lot_size"][:MOST_NAMED],
            changes=[one for one in changes if one.field != "lot_size"][:MOST_NAMED],
            expired_names=expired[:MOST_NAMED],
            missing_names=missing[:MOST_NAMED],
            notes=notes,
            is_dry_run=is_dry_run,
        )
        _close(record, report)
        cursor.execute("DROP TABLE coming_in_instrument, refused_instrument")
        transaction.set_rollback(is_dry_run)
    return report


class _Master:
    """The rows of one master in a temporary table, and what is known of them."""

    def __init__(self, cursor: Any, import_id: int, source: str) -> None:
        self.cursor, self.import_id, self.source = cursor, import_id, source
        self.rows = self.repeated = self.unnamed = 0
        self.reasons: Counter[str] = Counter()
        self.example = ""

    @property
    def rejected(self) -> int:
        """Return how many rows were refused."""
        return sum(self.reasons.values())

    def stage(self, rows: Iterable[MasterRow], progress: Progress) -> None:
        """Copy the good rows in, keep the refused ones."""
        self.cursor.execute(
            f"CREATE TEMPORARY TABLE coming_in_instrument ({', '.join(STAGED)}) ON COMMIT DROP;"
            "CREATE TEMPORARY TABLE refused_instrument (venue text, symbol text) ON COMMIT DROP"
        )
        seen = _Seen()
        left = iter(rows)
        while block := list(islice(left, ROWS_PER_COPY)):
            good, refused = [], []
            for row in block:
                if row.instrument is None:
                    refused.append((row, row.reason))
                elif reason := seen.why_not(row, row.instrument):
                    refused.append((row, reason))
                elif seen.is_first(row):
                    good.append(_line(row, row.instrument))
                else:
                    self.repeated += 1
            self.cursor.copy_expert("COPY coming_in_instrument FROM STDIN", StringIO("".join(good)))
            self._refuse(refused)
            self.rows += len(block)
            progress(self.rows)
        if not self.rows:
            raise BadMasterError(f"{self.source}: no instruments in it")
        self.cursor.execute("ANALYZE coming_in_instrument")

    def add(self, at: dict[str, Any]) -> list[str]:
        """Insert what is new, underlyings before what is derived from them; return the names.

        Rows whose underlying is nowhere are refused.
        """
        added: list[str] = []
        while True:
            self.cursor.execute(INSERT, at)
            found = _names(self.cursor)
            added += found
            if not found:
                break
        self.cursor.execute(ORPHANS)
        orphans = sorted(self.cursor.fetchall())
        self._refuse(
            [
                (
                    MasterRow(line, f"{venue}:{symbol}", (venue, symbol), None),
                    f"underlying {underlying} is unknown",
                )
                for line, venue, symbol, underlying in orphans
            ]
        )
        return added

    def missing(self) -> tuple[list[str], list[str]]:
        """Take off the list what a complete master lacks; return the names, and notes."""
        if self.unnamed:
            return [], [f"nothing counts as missing: {self.unnamed} refused rows bear no name"]
        self.cursor.execute(f"SELECT i.venue, count(*) {MISSING} GROUP BY 1")
        lacking = dict(self.cursor.fetchall())
        self.cursor.execute(
            "SELECT venue, count(*) FROM marketdata_instrument WHERE is_active GROUP BY 1"
        )
        for venue, listed in self.cursor.fetchall():
            if lacking.get(venue, 0) > max(FEW, MOST_MISSING * listed):
                raise BadMasterError(
                    f"{self.source}: it lacks {lacking[venue]:,} of the {listed:,} instruments"
                    f" of {venue}, so it is not complete; nothing was stored"
                )
        self.cursor.execute(
            "UPDATE marketdata_instrument t SET is_active = false"
            f" WHERE t.id IN (SELECT i.id {MISSING}) RETURNING t.venue || ':' || t.symbol"
        )
        return sorted(_names(self.cursor)), []

    def map_symbols(self, at: dict[str, Any]) -> int:
        """Keep the provider's own symbols; return how many are new or others than before."""
        self.cursor.execute(MAP_AGAIN, at)
        self.cursor.execute(MAP, at)
        return int(self.cursor.rowcount)

    def _refuse(self, rows: Sequence[tuple[MasterRow, str]]) -> None:
        if rows and not self.example:
            self.example = f"line {rows[0][0].line}: {rows[0][1]}"
        self.reasons.update(reason for _, reason in rows)
        self.unnamed += sum(not all(row.key) for row, _ in rows)
        insert_rows(
            table="marketdata_rejectedrow",
            columns=(
                *(("data_import_id", "bigint"), ("line", "bigint")),
                *(("text", "varchar(400)"), ("reason", "varchar(120)")),
            ),
            rows=[
                (
                    self.import_id,
                    row.line,
                    row.text.replace("\x00", "�")[:LONGEST_TEXT],
                    reason[:LONGEST_REASON],
                )
                for row, reason in rows
            ],
        )
        insert_rows(
            table="refused_instrument",
            columns=(("venue", "text"), ("symbol", "text")),
            rows=[row.key for row, _ in rows if all(row.key)],
        )


class _Seen:
    """The instruments and provider symbols of a master so far."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], tuple[int, int]] = {}  # line, digest of the values
        self.symbols: set[str] = set()

    def why_not(self, row: MasterRow, one: FeedInstrument) -> str:
        """Return why the row cannot stand beside the earlier ones, '' when it can."""
        values = hash((one, row.has_multiplier))
        if row.key in self.rows:
            is_same = self.rows[row.key][1] == values
            return "" if is_same else "same instrument as an earlier row, other values"
        if one.provider_symbol in self.symbols:
            return f"provider symbol '{one.provider_symbol}' stands in an earlier row"
        self.rows[row.key] = (row.line, values)
        if one.provider_symbol:
            self.symbols.add(one.provider_symbol)
        return ""

    def is_first(self, row: MasterRow) -> bool:
        """Tell whether no earlier row names the same instrument."""
        return self.rows[row.key][0] == row.line


def _line(row: MasterRow, one: FeedInstrument) -> str:
    """Return the row in PostgreSQL's COPY text; what the master does not say is NULL."""
    u_venue, _, u_symbol = one.underlying.partition(":")
    values = (
        *(str(row.line), one.venue, one.symbol, one.kind, one.currency),
        *(str(one.tick_size), str(one.lot_size)),
        *(str(one.multiplier) if row.has_multiplier else "", one.calendar),
        "" if one.expires_at is None else one.expires_at.isoformat(),
        *("" if one.strike is None else str(one.strike), one.right, u_venue, u_symbol),
        one.provider_symbol,
    )
    return "\t".join(value.replace("\\", "\\\\") or "\\N" for value in values) + "\n"


def _names(cursor: Any) -> list[str]:
    return [name for (name,) in cursor.fetchall()]


def _close(record: DataImport, report: InstrumentReport) -> None:
    record.rows = report.rows
    record.inserted = report.added
    record.corrected = report.changed
    record.unchanged = report.unchanged + report.repeated
    record.rejected = report.rejected
    record.report = report.as_json()
    record.save()
