"""What the upper floors ask of market data. Every query is as of an instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from domain.bars import Bar as BarValue
from domain.bars import BarSeries, Timeframe, series_of
from domain.bars import Split as SplitValue
from domain.errors import PlumblineError
from domain.instruments import InstrumentTerms
from marketdata.models import Account, Instrument, Split, Stream

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
SELECT i.id, i.venue, i.symbol, i.currency, i.tick_size, i.lot_size, i.multiplier,
       array_agg(s.effective_at ORDER BY s.effective_at) FILTER (WHERE s.id IS NOT NULL),
       array_agg(s.ratio::float8 ORDER BY s.effective_at) FILTER (WHERE s.id IS NOT NULL)
FROM marketdata_instrument i LEFT JOIN marketdata_split s ON s.instrument_id = i.id
WHERE i.id = ANY(%s) GROUP BY i.id
"""


def instrument_terms(ids: Sequence[int]) -> dict[int, InstrumentTerms]:
    """Return the terms and all stored splits of the instruments, by id."""
    with connection.cursor() as cursor:
        cursor.execute(TERMS, (list(ids),))
        return {
            key: InstrumentTerms(
                *(key, venue, symbol, currency, tick, lot, multiplier),
                tuple(map(SplitValue, instants or (), ratios or ())),
            )
            for key, venue, symbol, currency, tick, lot, multiplier, instants, ratios in cursor
        }


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
    *, since: Mapping[int, datetime], timeframe: Timeframe, up_to: datetime
) -> dict[int, list[BarValue]]:
    """Return, per instrument, the bars opened after its own instant and closed by `up_to`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.id, {COLUMNS} FROM unnest(%s::bigint[], %s::timestamptz[]) AS s(id, since)"
            " CROSS JOIN LATERAL (SELECT * FROM marketdata_bar b WHERE b.instrument_id = s.id"
            "  AND b.timeframe = %s AND b.opened_at > s.since AND b.closed_at <= %s"
            "  ORDER BY b.opened_at) b",
            (list(since), list(since.values()), timeframe.value, up_to),
        )
        found: dict[int, list[BarValue]] = {one: [] for one in since}
        for row in cursor.fetchall():
            found[row[0]].append(BarValue(*row[1:]))
        return found


def lead_bars(
    *, instrument_id: int, timeframe: Timeframe, before: datetime, count: int
) -> list[BarValue]:
    """Return the last `count` bars opened before the instant, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM marketdata_bar b WHERE b.instrument_id = %s"
            " AND b.timeframe = %s AND b.opened_at < %s ORDER BY b.opened_at DESC LIMIT %s",
            (instrument_id, timeframe.value, before, count),
        )
        return [BarValue(*row) for row in reversed(cursor.fetchall())]


def bars_window(*, instrument_id: int, timeframe: Timeframe, as_of: datetime) -> BarSeries:
    """Return every bar closed by `as_of`, as columns."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM marketdata_bar b WHERE b.instrument_id = %s"
            " AND b.timeframe = %s AND b.closed_at <= %s ORDER BY b.opened_at",
            (instrument_id, timeframe.value, as_of),
        )
        return series_of([BarValue(*row) for row in cursor.fetchall()])


def last_closes(
    *, instrument_ids: Sequence[int], timeframes: Sequence[str], as_of: datetime
) -> dict[int, LastClose]:
    """Return the newest close of each instrument over the timeframes, known at `as_of`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (i.id) i.id, b.close, b.closed_at"
            " FROM unnest(%s::bigint[]) AS i(id) CROSS JOIN unnest(%s::text[]) AS f(timeframe)"
            " CROSS JOIN LATERAL (SELECT b.close, b.closed_at FROM marketdata_bar b"
            "  WHERE b.instrument_id = i.id AND b.timeframe = f.timeframe AND b.closed_at <= %s"
            "  ORDER BY b.opened_at DESC LIMIT 1) b"
            " ORDER BY i.id, b.closed_at DESC",
            (list(instrument_ids), list(timeframes), as_of),
        )
        return {row[0]: LastClose(row[1], row[2]) for row in cursor.fetchall()}


def first_opens(
    *, wanted: Mapping[int, datetime], timeframes: Sequence[str], through: datetime
) -> dict[int, BarValue]:
    """Return, per instrument, the first bar opened at or after its instant, closed by `through`.

    Of several timeframes the shortest bar that opens first: its open is the same price, and it
    is known earliest.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT ON (w.id) w.id, {COLUMNS}"
            " FROM unnest(%s::bigint[], %s::timestamptz[]) AS w(id, since)"
            " CROSS JOIN unnest(%s::text[]) AS f(timeframe)"
            " CROSS JOIN LATERAL (SELECT * FROM marketdata_bar b WHERE b.instrument_id = w.id"
            "  AND b.timeframe = f.timeframe AND b.opened_at >= w.since AND b.closed_at <= %s"
            "  ORDER BY b.opened_at LIMIT 1) b"
            " ORDER BY w.id, b.opened_at, b.closed_at",
            (list(wanted), list(wanted.values()), list(timeframes), through),
        )
        return {row[0]: BarValue(*row[1:]) for row in cursor.fetchall()}


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
