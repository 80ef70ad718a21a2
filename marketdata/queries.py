"""What the upper floors ask of market data. Every query is as of an instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
from django.db import connection, models

from domain.bars import Bar as BarValue
from domain.bars import BarSeries, FloatArray, IntArray, Timeframe, from_micros, series_of
from domain.bars import Split as SplitValue
from domain.errors import PlumblineError
from domain.instruments import InstrumentTerms
from domain.options import OptionChain, OptionQuoted
from marketdata.calendars import zone_of
from marketdata.indicators.extras import Flows, extras_of
from marketdata.indicators.fold import Extras, wants_extras
from marketdata.indicators.registry import Indicator
from marketdata.models import Account, DataGap, Instrument, Split, Stream
from marketdata.packed_bars import (
    BARS_PER_CHUNK,
    BYTES_PER_BAR,
    PACK_SQL,
    copied_rows,
    unpacked,
)

# A feed process shows it lives every 2 s.
OLDEST_HEARTBEAT_SECONDS = 15
COLUMNS = "b.opened_at, b.closed_at, b.open, b.high, b.low, b.close, b.volume"


class UnknownInstrumentError(PlumblineError):
    """No instrument of that name is stored."""

    code = "unknown_instrument"


class UnknownAccountError(PlumblineError):
    """No account of that name exists."""

    code = "unknown_account"


@dataclass(frozen=True, slots=True)
class SealedInstant:
    """One closing instant whose bars are complete, and how late they were."""

    closed_at: datetime
    lag_ms: int


@dataclass(frozen=True, slots=True)
class LastClose:
    """The newest close known of an instrument, and when it closed."""

    price: float
    closed_at: datetime


TERMS = """
SELECT i.id, i.venue, i.symbol, i.currency, i.tick_size, i.lot_size, i.multiplier, i.calendar,
       array_agg(s.effective_at ORDER BY s.effective_at) FILTER (WHERE s.id IS NOT NULL),
       array_agg(s.ratio::float8 ORDER BY s.effective_at) FILTER (WHERE s.id IS NOT NULL)
FROM marketdata_instrument i LEFT JOIN marketdata_split s ON s.instrument_id = i.id
WHERE i.id = ANY(%s) GROUP BY i.id
"""


def instrument_terms(ids: Sequence[int]) -> dict[int, InstrumentTerms]:
    """Return the terms and all stored splits of the instruments, by id."""
    with connection.cursor() as cursor:
        cursor.execute(TERMS, (list(ids),))
        return {row[0]: _terms(*row) for row in cursor}


def _terms(*row: Any) -> InstrumentTerms:
    key, venue, symbol, currency, tick, lot, multiplier, calendar, instants, ratios = row
    splits = tuple(map(SplitValue, instants or (), ratios or ()))
    return InstrumentTerms(
        *(key, venue, symbol, currency, tick, lot, multiplier, splits, calendar), zone_of(calendar)
    )


CHAIN = """
SELECT i.id, i.symbol, i.expires_at, i.strike, i."right", q.observed_at, q.bid, q.ask, q.last,
       q.implied_volatility, q.open_interest
FROM marketdata_instrument i CROSS JOIN LATERAL (
    SELECT * FROM marketdata_optionquote o
    WHERE o.instrument_id = i.id AND o.observed_at <= %(as_of)s
    ORDER BY o.observed_at DESC LIMIT 1) q
WHERE i.underlying_id = %(underlying)s AND i.kind = 'option' AND i.expires_at > %(as_of)s
ORDER BY i.expires_at, i.strike, i."right", i.id
"""


def option_chain(*, underlying_id: int, as_of: datetime) -> OptionChain:
    """Return the newest quote known by the instant of every contract not yet expired."""
    with connection.cursor() as cursor:
        cursor.execute(CHAIN, {"underlying": underlying_id, "as_of": as_of})
        return OptionChain(underlying_id, tuple(OptionQuoted(*row) for row in cursor))


def find_instruments(names: Sequence[str]) -> list[Instrument]:
    """Return the instruments called SYMBOL or VENUE:SYMBOL, in the given order."""
    return [_find_instrument(name) for name in names]


def _find_instrument(name: str) -> Instrument:
    venue, _, symbol = name.rpartition(":")
    found = Instrument.objects.filter(symbol=symbol, **({"venue": venue} if venue else {}))
    if len(found) == 1:
        return found[0]
    if found:
        venues = ", ".join(str(one) for one in found)
        raise UnknownInstrumentError(f"'{name}' trades at several venues; say which: {venues}")
    raise UnknownInstrumentError(f"unknown instrument '{name}'; import_bars creates one")


def find_account(name: str) -> Account:
    """Return the account of that name."""
    account = Account.objects.select_related("stream").filter(name=name).first()
    if account is None:
        raise UnknownAccountError(f"unknown account '{name}'")
    return account


def seals_after(
    *, stream_id: int, after: datetime, up_to: datetime, limit: int
) -> list[SealedInstant]:
    """Return the next sealed instants in (after, up_to], oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT closed_at, lag_ms FROM marketdata_seal WHERE stream_id = %s"
            " AND closed_at > %s AND closed_at <= %s ORDER BY closed_at LIMIT %s",
            (stream_id, after, up_to, limit),
        )
        return [SealedInstant(*row) for row in cursor.fetchall()]


def bars_since(
    *,
    since: Mapping[int, datetime],
    timeframe: Timeframe,
    up_to: datetime,
    as_of: datetime | None = None,
) -> dict[int, list[BarValue]]:
    """Return, per instrument, the bars opened after its own instant and closed by `up_to`.

    Bars that came behind their seal are among them where they were known before `as_of`;
    without it none are.
    """
    earliest = min(since.values(), default=up_to)
    with connection.cursor() as cursor:
        # The plain bound on `opened_at` lets the planner drop the partitions of other years.
        cursor.execute(
            f"SELECT s.id, {COLUMNS} FROM unnest(%s::bigint[], %s::timestamptz[]) AS s(id, since)"
            " CROSS JOIN LATERAL (SELECT * FROM marketdata_bar b WHERE b.instrument_id = s.id"
            "  AND b.timeframe = %s AND b.opened_at > s.since AND b.opened_at > %s"
            "  AND b.closed_at <= %s AND (b.known_at IS NULL OR b.known_at < %s)"
            "  ORDER BY b.opened_at) b",
            (list(since), list(since.values()), timeframe.value, earliest, up_to, as_of),
        )
        found: dict[int, list[BarValue]] = {one: [] for one in since}
        for row in cursor.fetchall():
            found[row[0]].append(BarValue(*row[1:]))
        return found


def lead_bars(
    *, instrument_id: int, timeframe: Timeframe, before: datetime, count: int, as_of: datetime
) -> list[BarValue]:
    """Return the last `count` bars opened before the instant and known at `as_of`, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM marketdata_bar b WHERE b.instrument_id = %s"
            " AND b.timeframe = %s AND b.opened_at < %s AND (b.known_at IS NULL OR b.known_at < %s)"
            " ORDER BY b.opened_at DESC LIMIT %s",
            (instrument_id, timeframe.value, before, as_of, count),
        )
        return [BarValue(*row) for row in reversed(cursor.fetchall())]


def former_bars(
    *, instrument_id: int, timeframe: Timeframe, as_of: datetime
) -> dict[datetime, BarValue]:
    """Return, by opening instant, the bars that were corrected after `as_of`, as they were then."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT ON (b.opened_at) {COLUMNS} FROM marketdata_barrevision b"
            " WHERE b.instrument_id = %s AND b.timeframe = %s AND b.known_until >= %s"
            " ORDER BY b.opened_at, b.version",
            (instrument_id, timeframe.value, as_of),
        )
        return {row[0]: BarValue(*row) for row in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What the record says of a series' past, as of an instant.

    `hole` is the last missing bar of the newest gap that blocks there; `revision` the newest
    change of the past that counts there; `is_ahead` tells that a later one exists.
    """

    hole: datetime | None = None
    revision: int | None = None
    is_ahead: bool = False


SERIES_FACTS = """
SELECT i.id,
  (SELECT g.last_opened_at FROM marketdata_datagap g
   WHERE g.instrument_id = i.id AND g.timeframe = %(timeframe)s AND g.known_from <= %(as_of)s
     AND (g.settled_to IS NULL OR g.settled_to >= %(as_of)s)
   ORDER BY g.first_opened_at DESC LIMIT 1),
  (SELECT r.id FROM marketdata_datarevision r
   WHERE r.instrument_id = i.id AND r.timeframe = %(timeframe)s AND r.known_from < %(as_of)s
   ORDER BY r.id DESC LIMIT 1),
  EXISTS (SELECT 1 FROM marketdata_datarevision r
   WHERE r.instrument_id = i.id AND r.timeframe = %(timeframe)s AND r.known_from >= %(as_of)s)
FROM unnest(%(instruments)s::bigint[]) AS i(id)
"""


def series_facts(
    *, instrument_ids: Sequence[int], timeframe: Timeframe, as_of: datetime
) -> dict[int, SeriesFacts]:
    """Return the gaps and revisions that matter to each series at the instant."""
    with connection.cursor() as cursor:
        cursor.execute(
            SERIES_FACTS,
            {
                "instruments": list(instrument_ids),
                "timeframe": timeframe.value,
                "as_of": as_of,
            },
        )
        return {row[0]: SeriesFacts(*row[1:]) for row in cursor.fetchall()}


def logical_now(*, instrument_id: int, timeframe: Timeframe) -> datetime | None:
    """Return up to where the streams of a series are sealed, None where none has a seal yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT max(s.sealed_to) FROM marketdata_stream s"
            " JOIN marketdata_stream_instruments d ON d.stream_id = s.id"
            " WHERE d.instrument_id = %s AND %s = ANY(s.timeframes)"
            " AND EXISTS (SELECT 1 FROM marketdata_seal e WHERE e.stream_id = s.id)",
            (instrument_id, timeframe.value),
        )
        found: tuple[datetime | None] = cursor.fetchone()
        return found[0]


def feed_trouble(stream_id: int) -> str:
    """Return why nobody should enter on a live stream's prices now, '' when all is well."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT is_mute, heartbeat_at IS NULL OR"
            " heartbeat_at < clock_timestamp() - make_interval(secs => %s)"
            " FROM marketdata_stream WHERE id = %s AND kind = 'live'",
            (OLDEST_HEARTBEAT_SECONDS, stream_id),
        )
        is_mute, is_silent = cursor.fetchone() or (False, False)
    if is_mute:
        return "feed mute"
    return "feed not running" if is_silent else ""


def bars_window(*, instrument_id: int, timeframe: Timeframe, as_of: datetime) -> BarSeries:
    """Return every bar closed and known by `as_of`, as columns."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM marketdata_bar b WHERE b.instrument_id = %s"
            " AND b.timeframe = %s AND b.closed_at <= %s"
            " AND (b.known_at IS NULL OR b.known_at < %s) ORDER BY b.opened_at",
            (instrument_id, timeframe.value, as_of, as_of),
        )
        return series_of([BarValue(*row) for row in cursor.fetchall()])


# The chunks of a series are its oldest bars without a break, so what they lack is its newest.
# Any chunk but one holds at least 64 bars, and one more may reach back past the window.
WINDOWS = f"""
SELECT i.id, coalesce(c.payload, ''::bytea) || coalesce(t.payload, ''::bytea)
FROM unnest(%(instruments)s::bigint[]) AS i(id)
CROSS JOIN LATERAL (
    SELECT string_agg(n.payload, ''::bytea ORDER BY n.opened_from) AS payload,
        max(n.closed_to) AS closed_to
    FROM (SELECT k.* FROM marketdata_barchunk k
          WHERE k.instrument_id = i.id AND k.timeframe = %(timeframe)s
            AND k.opened_from < %(as_of)s AND k.closed_to <= %(as_of)s
          ORDER BY k.opened_from DESC LIMIT %(chunks)s) n) c
CROSS JOIN LATERAL (
    SELECT {PACK_SQL} AS payload
    FROM (SELECT r.* FROM marketdata_bar r
          WHERE r.instrument_id = i.id AND r.timeframe = %(timeframe)s
            AND r.opened_at >= coalesce(c.closed_to, '-infinity') AND r.opened_at < %(as_of)s
            AND r.closed_at <= %(as_of)s AND (r.known_at IS NULL OR r.known_at < %(as_of)s)
          ORDER BY r.opened_at DESC LIMIT %(count)s) b) t
"""


def bars_windows(
    *, instrument_ids: Sequence[int], timeframe: Timeframe, as_of: datetime, count: int
) -> dict[int, BarSeries]:
    """Return, per instrument, the last `count` bars closed and known by `as_of`, as columns."""
    asked = {
        "instruments": list(instrument_ids),
        "timeframe": timeframe.value,
        "as_of": as_of,
        "count": count,
        "chunks": -(-count // BARS_PER_CHUNK),
    }
    buffer = BytesIO()
    with connection.cursor() as cursor:
        query = cursor.mogrify(WINDOWS, asked).decode()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", buffer)
    rows = list(copied_rows(buffer.getbuffer()))
    windows = unpacked([payload[-count * BYTES_PER_BAR :] for _, payload in rows])
    keys = [int.from_bytes(key, "big") for key, _ in rows]
    return dict(zip(keys, windows, strict=True))


# The order makes the sums the same to the bit on every run.
BAR_FLOWS = """
SELECT (extract(epoch FROM b.opened_at) * 1000000)::bigint, f.net, f.traded
FROM marketdata_bar b CROSS JOIN LATERAL (
    SELECT sum(t.side * t.size ORDER BY t.ts, t.seq) AS net,
        sum(t.size ORDER BY t.ts, t.seq) AS traded
    FROM marketdata_tick t
    WHERE t.instrument_id = b.instrument_id AND t.ts >= b.opened_at AND t.ts < b.closed_at
      AND t.ts >= %(since)s AND t.side <> 0 AND t.size IS NOT NULL AND NOT t.is_suspicious) f
WHERE b.instrument_id = %(instrument)s AND b.timeframe = %(timeframe)s
  AND b.opened_at >= %(since)s AND b.opened_at < %(until)s AND f.traded IS NOT NULL
ORDER BY b.opened_at
"""


def bar_flows(
    *, instrument_id: int, timeframe: Timeframe, since: datetime, until: datetime
) -> Flows:
    """Return bought less sold and traded volume of the stored bars opened in [since, until).

    Summed from the stored trades within each bar. Trades without a size, without the side of the
    aggressor or marked suspicious are left out; bars without any other are not among them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            BAR_FLOWS,
            {
                "instrument": instrument_id,
                "timeframe": timeframe.value,
                "since": since,
                "until": until,
            },
        )
        rows = cursor.fetchall()
    return Flows(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.float64),
        np.array([row[2] for row in rows], dtype=np.float64),
    )


def extras_for(
    *, terms: InstrumentTerms, timeframe: Timeframe, indicators: Sequence[Indicator]
) -> Extras | None:
    """Return what tells sessions and flows of trades beside bars, None where nobody asks."""
    if not wants_extras(indicators):
        return None
    if not any("flow" in one.inputs for one in indicators):
        return extras_of(calendar_name=terms.calendar, timeframe=timeframe)

    def beside(opened_at: IntArray) -> FloatArray:
        flows = None
        if len(opened_at):
            flows = bar_flows(
                instrument_id=terms.id,
                timeframe=timeframe,
                since=from_micros(opened_at.min()),
                until=from_micros(opened_at.max()) + timeframe.length,
            )
        told = extras_of(calendar_name=terms.calendar, timeframe=timeframe, flows=flows)
        return told(opened_at)

    return beside


def holes_at(*, instrument_id: int, timeframe: Timeframe, as_of: datetime) -> list[datetime]:
    """Return the last missing bar of every gap that blocks at the instant, oldest first."""
    blocking = DataGap.objects.filter(
        models.Q(settled_to__isnull=True) | models.Q(settled_to__gte=as_of),
        instrument_id=instrument_id,
        timeframe=timeframe.value,
        known_from__lte=as_of,
    )
    return list(blocking.order_by("first_opened_at").values_list("last_opened_at", flat=True))


def last_closes(
    *, instrument_ids: Sequence[int], timeframes: Sequence[str], as_of: datetime
) -> dict[int, LastClose]:
    """Return the newest close of each instrument over the timeframes, known at `as_of`."""
    newest = _per_timeframe(
        "SELECT b.close, b.closed_at FROM marketdata_bar b WHERE b.instrument_id = i.id"
        " AND b.timeframe = %s AND b.opened_at < %s AND b.closed_at <= %s AND b.known_at IS NULL"
        " ORDER BY b.opened_at DESC LIMIT 1",
        timeframes,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (i.id) i.id, b.close, b.closed_at"
            f" FROM unnest(%s::bigint[]) AS i(id) CROSS JOIN LATERAL ({newest}) b"
            " ORDER BY i.id, b.closed_at DESC",
            (list(instrument_ids), *(part for one in timeframes for part in (one, as_of, as_of))),
        )
        return {row[0]: LastClose(row[1], row[2]) for row in cursor.fetchall()}


def first_opens(
    *, wanted: Mapping[int, datetime], timeframes: Sequence[str], through: datetime
) -> dict[int, BarValue]:
    """Return, per instrument, the first bar opened at or after its instant, closed by `through`.

    Of several timeframes the shortest bar that opens first: its open is the same price, and it
    is known earliest. A bar that came behind its seal is never one: nobody traded on it.
    """
    if not wanted:
        return {}
    earliest = min(wanted.values())
    first = _per_timeframe(
        f"SELECT {COLUMNS} FROM marketdata_bar b WHERE b.instrument_id = w.id AND b.timeframe = %s"
        " AND b.opened_at >= w.since AND b.opened_at >= %s AND b.opened_at < %s"
        " AND b.closed_at <= %s AND b.known_at IS NULL ORDER BY b.opened_at LIMIT 1",
        timeframes,
    )
    bounds = (earliest, through, through)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT ON (w.id) w.id, {COLUMNS}"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) AS w(id, since)"
            f" CROSS JOIN LATERAL ({first}) b ORDER BY w.id, b.opened_at, b.closed_at",
            (
                *(list(wanted), list(wanted.values())),
                *(part for one in timeframes for part in (one, *bounds)),
            ),
        )
        return {row[0]: BarValue(*row[1:]) for row in cursor.fetchall()}


def _per_timeframe(query: str, timeframes: Sequence[str]) -> str:
    """Return the query once for each timeframe: a constant there picks the partition to plan."""
    return " UNION ALL ".join(f"({query})" for _ in timeframes)


def splits_between(
    *, instrument_ids: Sequence[int], since: datetime, before: datetime
) -> list[Split]:
    """Return the splits with since <= effective_at < before, in order of time and name."""
    return list(
        Split.objects.filter(
            instrument_id__in=instrument_ids, effective_at__gte=since, effective_at__lt=before
        )
        .select_related("instrument")
        .order_by("effective_at", "instrument__venue", "instrument__symbol")
    )


def streams_of(instrument_id: int) -> list[Stream]:
    """Return the streams that deliver this instrument, in the order their rows are locked."""
    return list(Stream.objects.filter(instruments=instrument_id).order_by("pk"))
