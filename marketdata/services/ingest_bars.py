"""How bars become rows: idempotent, at database speed, and sealed one closing instant at a time."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Self

import numpy as np
from django.db import connection, transaction

from domain import bus
from domain.bars import Bar, BarSeries, IntArray, Timeframe, from_micros, series_of
from domain.errors import PlumblineError
from domain.events import InstantSealed
from marketdata.data_quality import Reason, check_bars
from marketdata.models import LateBar, Seal, Stream
from marketdata.services.insert_rows import insert_rows

# From here on a COPY wins; below, its temporary table would bloat the catalogue (DESIGN 26).
COPY_FROM_ROWS = 2_000
# First half of the advisory lock's key; account locks use another.
STREAM_LOCKS = 20_017
POSTGRES_EPOCH_MICROS = 946_684_800_000_000
NEVER = np.iinfo(np.int64).max

BAR_COLUMNS = (
    ("instrument_id", "bigint"),
    ("timeframe", "varchar(3)"),
    ("opened_at", "timestamptz"),
    ("closed_at", "timestamptz"),
    ("open", "float8"),
    ("high", "float8"),
    ("low", "float8"),
    ("close", "float8"),
    ("volume", "float8"),
)
VALUE_COLUMNS = tuple(name for name, _ in BAR_COLUMNS[3:])
# Rows that did not change are not written again: no bloat, and twice as fast.
UPSERT = (
    "(instrument_id, timeframe, opened_at) DO UPDATE SET "
    + ", ".join(f'"{name}" = excluded."{name}"' for name in VALUE_COLUMNS)
    + " WHERE ("
    + ", ".join(f'marketdata_bar."{name}"' for name in VALUE_COLUMNS)
    + ") IS DISTINCT FROM ("
    + ", ".join(f'excluded."{name}"' for name in VALUE_COLUMNS)
    + ")"
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


def store_bars(*, instrument_id: int, timeframe: Timeframe, bars: BarSeries) -> StoredBars:
    """Store bars of rising time in one transaction; return how many were new, equal, corrected.

    Bars that are no bars are refused as a whole: rows from outside go through quarantine first.
    """
    refuse_bad_bars(bars, timeframe)
    if len(bars) >= COPY_FROM_ROWS:
        with transaction.atomic(), BarStaging() as staging:
            staging.add(bars)
            return staging.store(instrument_id=instrument_id, timeframe=timeframe)
    return _upsert(
        [
            (instrument_id, timeframe.value, *values)
            for values in zip(
                _instants(bars.opened_at),
                _instants(bars.closed_at),
                *(column.tolist() for column in (bars.open, bars.high, bars.low, bars.close)),
                [None if math.isnan(volume) else volume for volume in bars.volume.tolist()],
                strict=True,
            )
        ]
    )


def refuse_bad_bars(bars: BarSeries, timeframe: Timeframe) -> None:
    """Raise when a bar has a quality reason, or times do not rise."""
    reasons = check_bars(bars, timeframe=timeframe, now_micros=NEVER)
    if reasons.any():
        at = int(np.flatnonzero(reasons)[0])
        reason = Reason(int(reasons[at])).text
        raise BadBarsError(f"bar {at + 1} of {len(bars)}: {reason}; nothing was stored")
    if (np.diff(bars.opened_at) <= 0).any():
        raise BadBarsError("bars must come in rising time, each time once; nothing was stored")


class BarStaging:
    """A temporary table that takes any number of bars by binary COPY, inside one transaction."""

    TABLE = "bars_coming_in"

    def __enter__(self) -> Self:
        values = ", ".join(f'"{name}" {kind}' for name, kind in BAR_COLUMNS[2:])
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE {self.TABLE} (line bigint, {values}) ON COMMIT DROP"
            )
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        # After an error the transaction is rolled back, and the table with it.
        if kind is None:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TABLE {self.TABLE}")

    def add(self, bars: BarSeries, line: IntArray | None = None) -> None:
        """Copy the bars in; `line` is where each came from."""
        lines = np.zeros(len(bars), dtype=np.int64) if line is None else line
        with connection.cursor() as cursor:
            cursor.copy_expert(
                f"COPY {self.TABLE} FROM STDIN (FORMAT binary)",
                BytesIO(copy_bytes(bars, lines)),
            )

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
                    FROM {self.TABLE} WINDOW same AS (PARTITION BY opened_at ORDER BY line)
                ), dropped AS (
                    DELETE FROM {self.TABLE} WHERE ctid IN (SELECT ctid FROM placed WHERE place > 1)
                )
                SELECT line, given IS NOT DISTINCT FROM first_given
                FROM placed WHERE place > 1 ORDER BY line
                """
            )
            rows = cursor.fetchall()
        differing = [line for line, is_equal in rows if not is_equal]
        return len(rows) - len(differing), differing

    def store(self, *, instrument_id: int, timeframe: Timeframe) -> StoredBars:
        """Bring the table's bars into the record; return what became of them."""
        names = ", ".join(f'"{name}"' for name, _ in BAR_COLUMNS)
        staged = ", ".join(f'"{name}"' for name, _ in BAR_COLUMNS[2:])
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH moved AS (
                    INSERT INTO marketdata_bar ({names})
                    SELECT %s, %s, {staged} FROM {self.TABLE} ORDER BY opened_at
                    ON CONFLICT {UPSERT} RETURNING xmax = 0 AS is_new
                )
                SELECT count(*) FILTER (WHERE is_new), count(*), (SELECT count(*) FROM {self.TABLE})
                FROM moved
                """,
                [instrument_id, timeframe.value],
            )
            inserted, moved, total = cursor.fetchone()
        return StoredBars(inserted, total - moved, moved - inserted)


def copy_bytes(bars: BarSeries, line: IntArray) -> bytes:
    """Return the bars in PostgreSQL's binary COPY format: line, times, prices, volume."""
    measured = ~np.isnan(bars.volume)
    return b"".join(
        (
            b"PGCOPY\n\xff\r\n\x00" + bytes(8),
            _records(bars, line, measured, has_volume=True),
            _records(bars, line, ~measured, has_volume=False),
            b"\xff\xff",
        )
    )


def _records(bars: BarSeries, line: IntArray, chosen: Any, *, has_volume: bool) -> bytes:
    """Return one fixed-size record per chosen bar; NULL is a length of -1 without a value."""
    columns: list[tuple[str, Any]] = [
        (">i8", line),
        (">i8", bars.opened_at - POSTGRES_EPOCH_MICROS),
        (">i8", bars.closed_at - POSTGRES_EPOCH_MICROS),
        *((">f8", prices) for prices in (bars.open, bars.high, bars.low, bars.close)),
    ]
    if has_volume:
        columns.append((">f8", bars.volume))
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for at, (kind, _) in enumerate(columns):
        fields += [(f"length{at}", ">i4"), (f"value{at}", kind)]
    if not has_volume:
        fields.append(("null", ">i4"))
    records = np.empty(int(chosen.sum()), dtype=np.dtype(fields))
    records["fields"] = 8
    for at, (_, values) in enumerate(columns):
        records[f"length{at}"] = 8
        records[f"value{at}"] = values[chosen]
    if not has_volume:
        records["null"] = -1
    return records.tobytes()


def _instants(micros: IntArray) -> list[str]:
    """Return ISO texts with their zone, whole columns at once."""
    return [f"{text}Z" for text in micros.astype("datetime64[us]").astype(str).tolist()]


def _upsert(rows: Sequence[Sequence[Any]]) -> StoredBars:
    moved = insert_rows(
        table="marketdata_bar",
        columns=BAR_COLUMNS,
        rows=rows,
        on_conflict=UPSERT,
        returning=("xmax",),
    )
    inserted = sum(xmax == "0" for (xmax,) in moved)
    return StoredBars(inserted, len(rows) - len(moved), len(moved) - inserted)


def seal_instant(
    *,
    stream_id: int,
    closed_at: datetime,
    bars: Sequence[StreamBar],
    lag_ms: int,
    follows: datetime | None = None,
) -> SealOutcome:
    """Commit the bars of one closing instant together with its seal: the one door into a stream.

    Doing it twice changes nothing. A bar whose instant is sealed already goes to `LateBar`,
    unless the record holds exactly it; an instant older than the last seal is never sealed.
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
        stored = _store_checked(on_time)
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


def _store_checked(given: Sequence[StreamBar]) -> StoredBars:
    for one in given:
        refuse_bad_bars(series_of([one.bar]), one.timeframe)
    return _upsert([_row(one) for one in given])


def keep_late_bars(*, stream_id: int, late: Sequence[StreamBar]) -> int:
    """Put aside the late bars the record does not hold as they are; return how many."""
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
