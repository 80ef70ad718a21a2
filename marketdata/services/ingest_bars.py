"""How bars become rows: idempotent, at database speed, and sealed one closing instant at a time."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from domain import bus
from domain.bars import Bar, BarSeries, IntArray, Timeframe, from_micros, series_of
from domain.errors import PlumblineError
from domain.events import InstantSealed
from marketdata.data_quality import Reason, check_bars
from marketdata.models import BarChunk, DataRevision, LateBar, Seal, Stream
from marketdata.queries import logical_now
from marketdata.services.insert_rows import insert_rows
from marketdata.services.partitions import ensure_bar_partitions
from marketdata.services.staging import Columns, Staging

# From here on a COPY wins; below, its temporary table would bloat the catalogue (DESIGN 26).
COPY_FROM_ROWS = 2_000
# First half of the advisory lock's key; account locks use another.
STREAM_LOCKS = 20_017
SERIES_LOCKS = 20_021
NEVER = np.iinfo(np.int64).max

VALUES: Columns = (
    ("closed_at", "timestamptz"),
    ("open", "float8"),
    ("high", "float8"),
    ("low", "float8"),
    ("close", "float8"),
    ("volume", "float8"),
)
VALUE_COLUMNS = tuple(name for name, _ in VALUES)
KEY_COLUMNS = (
    ("instrument_id", "bigint"),
    ("timeframe", "varchar(3)"),
    ("opened_at", "timestamptz"),
)
BAR_COLUMNS = (*KEY_COLUMNS, *VALUES)
ORIGIN_COLUMNS = (("source_id", "bigint"), ("known_at", "timestamptz"))
# Rows that did not change are not written again: no bloat, and twice as fast.
UPSERT = (
    "(instrument_id, timeframe, opened_at) DO UPDATE SET "
    + ", ".join(f'"{name}" = excluded."{name}"' for name in (*VALUE_COLUMNS, "source_id"))
    + " WHERE ("
    + ", ".join(f'marketdata_bar."{name}"' for name in VALUE_COLUMNS)
    + ") IS DISTINCT FROM ("
    + ", ".join(f'excluded."{name}"' for name in VALUE_COLUMNS)
    + ")"
)

# Bars that come in bulk. A plain INSERT of the new ones takes half the time of an upsert, which
# is kept for the moment when another writer adds one of them; equal bars are only read.
_SAME = (
    "b.instrument_id = %(instrument)s AND b.timeframe = %(timeframe)s"
    " AND b.opened_at BETWEEN %(first)s AND %(last)s AND b.opened_at = s.opened_at"
)
_ROWS = (
    "INSERT INTO marketdata_bar ("
    + ", ".join(f'"{name}"' for name, _ in (*BAR_COLUMNS, *ORIGIN_COLUMNS))
    + ") SELECT %(instrument)s, %(timeframe)s, "
    + ", ".join(f's."{name}"' for name, _ in BAR_COLUMNS[2:])
    + ", %(source)s, CASE WHEN s.closed_at <= %(sealed_to)s"
    " THEN %(sealed_to)s::timestamptz END FROM coming_in_bar s"
)
_RETURNING = " RETURNING version, opened_at, known_at"
ADD = (
    f"{_ROWS} WHERE NOT EXISTS (SELECT FROM marketdata_bar b WHERE {_SAME})"
    f" ORDER BY s.opened_at{_RETURNING}"
)
MOVE = f"{_ROWS} ORDER BY s.opened_at ON CONFLICT {UPSERT}{_RETURNING}"
CORRECT = (
    "UPDATE marketdata_bar b SET "
    + ", ".join(f'"{name}" = s."{name}"' for name in VALUE_COLUMNS)
    + f", source_id = %(source)s FROM coming_in_bar s WHERE {_SAME} AND ("
    + ", ".join(f'b."{name}"' for name in VALUE_COLUMNS)
    + ") IS DISTINCT FROM ("
    + ", ".join(f's."{name}"' for name in VALUE_COLUMNS)
    + ") RETURNING b.version, b.opened_at, b.known_at"
)


class BadBarsError(PlumblineError):
    """The bars cannot be stored as they are."""

    code = "bad_bars"


class SealOrderError(PlumblineError):
    """The instant cannot be sealed with these bars."""

    code = "seal_order"


class StreamBusyError(PlumblineError):
    """Another process writes this stream."""

    code = "stream_busy"


@dataclass(frozen=True, slots=True)
class StoredBars:
    """What became of the bars handed in."""

    inserted: int = 0
    unchanged: int = 0
    corrected: int = 0

    def __add__(self, other: "StoredBars") -> "StoredBars":
        return StoredBars(
            self.inserted + other.inserted,
            self.unchanged + other.unchanged,
            self.corrected + other.corrected,
        )


@dataclass(frozen=True, slots=True)
class StreamBar:
    """One bar on its way into a stream."""

    instrument_id: int
    timeframe: Timeframe
    bar: Bar


@dataclass(frozen=True, slots=True)
class SealOutcome:
    """What a seal did; `is_new` is False when the instant had been sealed before."""

    is_new: bool
    stored: StoredBars
    late: int


def store_bars(
    *, instrument_id: int, timeframe: Timeframe, bars: BarSeries, source_id: int | None = None
) -> StoredBars:
    """Store bars of rising time in one transaction; return how many were new, equal, corrected.

    Bars that are no bars are refused as a whole: rows from outside go through quarantine first.
    Bars behind the seal of their stream count from now on (`known_at`); the change of the past
    is recorded as a `DataRevision`.
    """
    refuse_bad_bars(bars, timeframe)
    if not len(bars):
        return StoredBars()
    with transaction.atomic():
        if len(bars) >= COPY_FROM_ROWS:
            with BarStaging() as staging:
                staging.take(bars)
                return staging.store(
                    instrument_id=instrument_id, timeframe=timeframe, source_id=source_id
                )
        _forget_chunks(instrument_id, timeframe, from_micros(int(bars.opened_at[0])))
        sealed_to = _held_sealed_to(instrument_id, timeframe)
        rows = [
            (
                *_row(StreamBar(instrument_id, timeframe, bar)),
                source_id,
                sealed_to if sealed_to and bar.closed_at <= sealed_to else None,
            )
            for bar in bars_of(bars)
        ]
        return _upsert(rows)


def refuse_bad_bars(bars: BarSeries, timeframe: Timeframe) -> None:
    """Raise when a bar has a quality reason, or times do not rise.

    The grid is judged at the doors, where the instrument's calendar is known.
    """
    reasons = check_bars(bars, timeframe=timeframe, now_micros=NEVER)
    reasons[reasons == Reason.OFF_GRID] = Reason.FINE
    if reasons.any():
        at = int(np.flatnonzero(reasons)[0])
        reason = Reason(int(reasons[at])).text
        raise BadBarsError(f"bar {at + 1} of {len(bars)}: {reason}; nothing was stored")
    if (np.diff(bars.opened_at) <= 0).any():
        raise BadBarsError("bars must come in rising time, each time once; nothing was stored")


class BarStaging(Staging):
    """Bars of one series on their way in, inside one transaction."""

    def __init__(self) -> None:
        super().__init__("bar", (("opened_at", "timestamptz"), *VALUES))

    def take(self, bars: BarSeries, line: IntArray | None = None) -> None:
        """Copy the bars in; `line` is where each came from."""
        lines = np.zeros(len(bars), dtype=np.int64) if line is None else line
        names = ("opened_at", *VALUE_COLUMNS)
        self.add({name: getattr(bars, name) for name in names}, lines)

    def sort_out(self) -> tuple[int, list[int]]:
        """Keep the first line of each time; return how many equal it, and the lines that differ."""
        values = ", ".join(f'"{name}"' for name in VALUE_COLUMNS)
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH placed AS (
                    SELECT ctid, line, ROW({values}) AS given,
                        first_value(ROW({values})) OVER same AS first_given,
                        row_number() OVER same AS place
                    FROM {self.table} WINDOW same AS (PARTITION BY opened_at ORDER BY line)
                ), dropped AS (
                    DELETE FROM {self.table} WHERE ctid IN (SELECT ctid FROM placed WHERE place > 1)
                )
                SELECT line, given IS NOT DISTINCT FROM first_given
                FROM placed WHERE place > 1 ORDER BY line
                """
            )
            rows = cursor.fetchall()
        differing = [line for line, is_equal in rows if not is_equal]
        return len(rows) - len(differing), differing

    def store(
        self,
        *,
        instrument_id: int,
        timeframe: Timeframe,
        source_id: int | None = None,
        import_id: int | None = None,
    ) -> StoredBars:
        """Bring the table's bars into the record; return what became of them."""
        span = self.span("opened_at")
        if span is None:
            return StoredBars()
        ensure_bar_partitions(timeframe=timeframe, first=span[0], last=span[1])
        lock_series(instrument_id=instrument_id, timeframe=timeframe)
        asked = {
            "instrument": instrument_id,
            "timeframe": timeframe.value,
            "source": source_id,
            "sealed_to": _held_sealed_to(instrument_id, timeframe),
            "first": span[0],
            "last": span[1],
        }
        try:
            with transaction.atomic():
                changes = [*_changes(CORRECT, asked), *_changes(ADD, asked)]
        except IntegrityError:  # another writer added a bar meanwhile
            changes = _changes(MOVE, asked)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {self.table}")
            (total,) = cursor.fetchone()
        if changes:
            first = min(one.first_opened_at for one in changes)
            _forget_chunks(instrument_id, timeframe, first)
        _revise(instrument_id, timeframe, changes, import_id)
        corrected = sum(one.bars for one in changes if one.kind == "corrected")
        moved = sum(one.bars for one in changes)
        return StoredBars(moved - corrected, total - moved, corrected)


@dataclass(frozen=True, slots=True)
class Change:
    """Bars of one series that became new, backfilled or corrected together."""

    kind: str
    bars: int
    first_opened_at: datetime
    last_opened_at: datetime


def _changes(statement: str, asked: dict[str, Any]) -> list[Change]:
    """Run a statement over the staged bars; return what became of those it moved, by kind."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH moved AS ({statement}), sorted AS (SELECT opened_at, CASE"
            " WHEN version > 1 THEN 'corrected' WHEN known_at IS NOT NULL THEN 'backfilled'"
            " ELSE 'new' END AS kind FROM moved)"
            " SELECT kind, count(*), min(opened_at), max(opened_at) FROM sorted GROUP BY kind",
            asked,
        )
        return [Change(*row) for row in cursor.fetchall()]


def _held_sealed_to(instrument_id: int, timeframe: Timeframe) -> datetime | None:
    """Return the series' logical now and hold its streams there until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.id FROM marketdata_stream s JOIN marketdata_stream_instruments d"
            " ON d.stream_id = s.id WHERE d.instrument_id = %s AND %s = ANY(s.timeframes)"
            " ORDER BY s.id FOR SHARE OF s",
            [instrument_id, timeframe.value],
        )
    return logical_now(instrument_id=instrument_id, timeframe=timeframe)


def _revise(
    instrument_id: int, timeframe: Timeframe, changes: Sequence[Change], import_id: int | None
) -> None:
    """Record that the past of a series has a new version."""
    changed = [one for one in changes if one.kind != "new"]
    if not changed:
        return
    now = logical_now(instrument_id=instrument_id, timeframe=timeframe) or timezone.now()
    for one in changed:
        DataRevision.objects.create(
            instrument_id=instrument_id,
            timeframe=timeframe.value,
            kind=one.kind,
            first_opened_at=one.first_opened_at,
            last_opened_at=one.last_opened_at,
            bars=one.bars,
            known_from=now,
            data_import_id=import_id,
        )


def lock_series(*, instrument_id: int, timeframe: Timeframe) -> None:
    """Hold the series against others who store into its past or pack it, until the commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, hashtext(%s))",
            [SERIES_LOCKS, f"{instrument_id} {timeframe.value}"],
        )


def _forget_chunks(instrument_id: int, timeframe: Timeframe, first: datetime) -> None:
    """Drop the packed copies from the first bar on, and keep packers out until it is stored."""
    lock_series(instrument_id=instrument_id, timeframe=timeframe)
    BarChunk.objects.filter(
        instrument_id=instrument_id, timeframe=timeframe.value, closed_to__gt=first
    ).delete()


def _upsert(rows: Sequence[Sequence[Any]]) -> StoredBars:
    """Store a small batch: key, values, source and known_at of each bar."""
    by_timeframe: dict[str, list[datetime]] = {}
    for row in rows:
        by_timeframe.setdefault(row[1], []).append(row[2])
    for timeframe, opened_at in by_timeframe.items():
        ensure_bar_partitions(
            timeframe=Timeframe(timeframe), first=min(opened_at), last=max(opened_at)
        )
    moved = insert_rows(
        table="marketdata_bar",
        columns=(*BAR_COLUMNS, *ORIGIN_COLUMNS),
        rows=rows,
        on_conflict=UPSERT,
        returning=("instrument_id", "timeframe", "opened_at", "version", "known_at"),
    )
    past = [one for one in moved if one[3] > 1 or one[4] is not None]
    for (instrument_id, timeframe), group in _by_series(past).items():
        changes = [
            Change(kind, len(times), min(times), max(times))
            for kind, times in _by_kind(group).items()
        ]
        _forget_chunks(instrument_id, Timeframe(timeframe), min(one[2] for one in group))
        _revise(instrument_id, Timeframe(timeframe), changes, None)
    corrected = sum(version > 1 for _, _, _, version, _ in moved)
    return StoredBars(len(moved) - corrected, len(rows) - len(moved), corrected)


def _by_series(rows: Sequence[tuple[Any, ...]]) -> dict[tuple[int, str], list[tuple[Any, ...]]]:
    found: dict[tuple[int, str], list[tuple[Any, ...]]] = {}
    for row in rows:
        found.setdefault((row[0], row[1]), []).append(row)
    return found


def _by_kind(rows: Sequence[tuple[Any, ...]]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {}
    for _, _, opened_at, version, _ in rows:
        found.setdefault("corrected" if version > 1 else "backfilled", []).append(opened_at)
    return found


def seal_instant(
    *,
    stream_id: int,
    closed_at: datetime,
    bars: Sequence[StreamBar],
    lag_ms: int,
    follows: datetime | None = None,
    source_id: int | None = None,
) -> SealOutcome:
    """Commit the bars of one closing instant together with its seal: the one door into a stream.

    Doing it twice changes nothing. A bar whose instant is sealed already goes to `LateBar`,
    unless the record holds exactly it, and fills a hole in the record for instants to come; an
    instant older than the last seal is never sealed.
    `follows`, if given, must be the last instant sealed: nothing may be skipped unseen.
    """
    with transaction.atomic():
        stream = Stream.objects.select_for_update(of=("self",)).get(pk=stream_id)
        if follows is not None and stream.sealed_to != follows:
            moved = f"sealed to {_iso(stream.sealed_to)}, not {_iso(follows)}"
            raise SealOrderError(f"stream {stream.name} was moved meanwhile: {moved}")
        on_time = [one for one in bars if one.bar.closed_at > stream.sealed_to]
        late = [one for one in bars if one.bar.closed_at <= stream.sealed_to]
        _refuse_other_instants(closed_at, on_time)
        kept_late = keep_late_bars(stream_id=stream_id, late=late)
        if closed_at <= stream.sealed_to:
            return SealOutcome(is_new=False, stored=StoredBars(), late=kept_late)
        if not on_time:
            raise SealOrderError(f"nothing to seal: no bar closes at {_iso(closed_at)}")
        stored = _store_checked(on_time, source_id)
        Seal.objects.create(
            stream_id=stream_id, closed_at=closed_at, bars=len(on_time), lag_ms=lag_ms
        )
        _raise_sealed_to(stream_id, closed_at)
        bus.publish(
            InstantSealed(shard=0, stream=stream.name, closed_at=closed_at, bars=len(on_time))
        )
    return SealOutcome(is_new=True, stored=stored, late=kept_late)


def seal_instants(*, stream_id: int, instants: Sequence[tuple[datetime, int]]) -> int:
    """Seal many instants whose bars are stored already, in one commit; return how many are new.

    For replays at full speed. `instants` are (closed_at, number of bars), in any order.
    """
    with transaction.atomic():
        stream = Stream.objects.select_for_update(of=("self",)).get(pk=stream_id)
        new = sorted({(at, count) for at, count in instants if at > stream.sealed_to})
        if not new:
            return 0
        if any(count < 1 for _, count in new) or len({at for at, _ in new}) != len(new):
            raise SealOrderError("each instant is sealed once, with the number of its bars")
        insert_rows(
            table="marketdata_seal",
            columns=(
                ("stream_id", "bigint"),
                ("closed_at", "timestamptz"),
                ("bars", "integer"),
                ("lag_ms", "bigint"),
            ),
            rows=[(stream_id, at, count, 0) for at, count in new],
        )
        _raise_sealed_to(stream_id, new[-1][0])
        bus.publish(
            *(
                InstantSealed(shard=0, stream=stream.name, closed_at=at, bars=count)
                for at, count in new
            )
        )
    return len(new)


def _raise_sealed_to(stream_id: int, closed_at: datetime) -> None:
    rising = Stream.objects.filter(pk=stream_id, sealed_to__lt=closed_at)
    if rising.update(sealed_to=closed_at) != 1:
        raise SealOrderError(f"{_iso(closed_at)} does not lie after the last seal")


def _refuse_other_instants(closed_at: datetime, on_time: Sequence[StreamBar]) -> None:
    for one in on_time:
        if one.bar.closed_at != closed_at:
            raise SealOrderError(
                f"a bar closes at {_iso(one.bar.closed_at)}, not at {_iso(closed_at)}:"
                " each instant is sealed with its own bars"
            )


def _store_checked(given: Sequence[StreamBar], source_id: int | None) -> StoredBars:
    for one in given:
        refuse_bad_bars(series_of([one.bar]), one.timeframe)
    return _upsert([(*_row(one), source_id, None) for one in given])


def keep_late_bars(*, stream_id: int, late: Sequence[StreamBar]) -> int:
    """Put aside the late bars the record does not hold as they are; return how many.

    Where the record holds none at all they fill the hole, known from the stream's seal on; a
    bar that was decided on is never replaced by a late one.
    """
    if not late:
        return 0
    for one in late:
        refuse_bad_bars(series_of([one.bar]), one.timeframe)
    names = ", ".join(f'"{name}"' for name, _ in BAR_COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {names} FROM marketdata_bar WHERE (instrument_id, timeframe, opened_at) IN %s",
            [tuple((one.instrument_id, one.timeframe.value, one.bar.opened_at) for one in late)],
        )
        known = set(cursor.fetchall())
    sealed_to = Stream.objects.values_list("sealed_to", flat=True).get(pk=stream_id)
    held = {row[:3] for row in known}
    _upsert([(*_row(one), None, sealed_to) for one in late if _row(one)[:3] not in held])
    kept = insert_rows(
        table=LateBar._meta.db_table,
        columns=(("stream_id", "bigint"), *BAR_COLUMNS),
        rows=[(stream_id, *row) for one in late if (row := _row(one)) not in known],
        on_conflict="DO NOTHING",
        returning=("id",),
    )
    return len(kept)


def _iso(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"


def bars_of(series: BarSeries) -> list[Bar]:
    """Return the bars of the columns; a NaN volume becomes None."""
    volumes = [None if math.isnan(one) else one for one in series.volume.tolist()]
    prices = (series.open, series.high, series.low, series.close)
    return [
        Bar(from_micros(opened_at), from_micros(closed_at), *values)
        for opened_at, closed_at, *values in zip(
            series.opened_at.tolist(),
            series.closed_at.tolist(),
            *(column.tolist() for column in prices),
            volumes,
            strict=True,
        )
    ]


def _row(one: StreamBar) -> tuple[Any, ...]:
    bar = one.bar
    prices = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return (one.instrument_id, one.timeframe.value, bar.opened_at, bar.closed_at, *prices)


@contextmanager
def stream_writer_lock(stream_id: int) -> Iterator[None]:
    """Hold the right to write a stream for this database session; refuses when it is taken.

    A lost connection loses the lock with it, so the holder must take it anew after an error.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [STREAM_LOCKS, stream_id])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise StreamBusyError(f"stream {stream_id} is being written by another process")
    try:
        yield
    finally:
        if connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [STREAM_LOCKS, stream_id])
