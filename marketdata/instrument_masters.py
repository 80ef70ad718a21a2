"""Masters: files that list what can be traded, CSV or JSON, and what makes a row of one unusable.

Columns of a CSV, names of a JSON object: venue, symbol, kind, currency, tick_size, lot_size are
needed; multiplier, calendar, expires_at, strike, right, underlying, provider_symbol may be
missing or empty: what is stored stays then. Every other one is ignored.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from domain.errors import PlumblineError
from marketdata.calendars import calendar_named
from marketdata.feeds.base import FeedInstrument
from marketdata.row_files import refuse_no_file
from marketdata.row_layouts import BadFileError

NEEDED = ("venue", "symbol", "kind", "currency", "tick_size", "lot_size")
OPTIONAL = (
    *("multiplier", "calendar", "expires_at", "strike", "right", "underlying"),
    "provider_symbol",
)
KINDS = ("equity", "etf", "index", "future", "option", "crypto", "fx")
LONGEST = {"venue": 20, "symbol": 40, "currency": 10, "provider_symbol": 60}
SIZES = ("tick_size", "lot_size", "multiplier")
SIZE_DECIMALS = 10
SIZE_BELOW = Decimal(10**9)
STRIKE_DECIMALS = 6
STRIKE_BELOW = Decimal(10**12)
NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?([eE]-?[0-9]{1,2})?")
GZIP_MARK = b"\x1f\x8b"


class RefusedRowError(PlumblineError):
    """The row is no instrument; the text says why."""

    code = "refused_row"


@dataclass(frozen=True, slots=True)
class MasterRow:
    """One row: an instrument, or the reason why it is none. `key` is (venue, symbol) as written."""

    line: int
    text: str
    key: tuple[str, str]
    instrument: FeedInstrument | None
    has_multiplier: bool = True
    reason: str = ""


def read_master(path: Path) -> Iterator[MasterRow]:
    """Yield the rows of the file in its order; a broken file raises `BadFileError`."""
    refuse_no_file(path)
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == GZIP_MARK
        opener: Any = gzip.open if is_gzip else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as text:
            if ".json" in path.suffixes[-2:]:
                yield from _json_rows(path, text)
            else:
                yield from _csv_rows(path, text)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BadFileError(f"{path}: the gzip data is broken or cut off: {error}") from None
    except UnicodeDecodeError:
        raise BadFileError(f"{path}: no UTF-8 text") from None
    except OSError as error:
        raise BadFileError(f"{path}: {error.strerror or error}") from None


def _csv_rows(path: Path, file: TextIO) -> Iterator[MasterRow]:
    reader = csv.reader(file)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in NEEDED if name not in header]
        if missing:
            found = ",".join(header)[:120]
            raise BadFileError(f"{path}: columns missing: {', '.join(missing)}; it has: {found}")
        places = {name: header.index(name) for name in (*NEEDED, *OPTIONAL) if name in header}
        for row in reader:
            if not row:
                continue
            line, text = reader.line_num, ",".join(row)
            if len(row) != len(header):
                reason = f"{len(row)} columns, not {len(header)}"
                yield MasterRow(line, text, ("", ""), None, reason=reason)
                continue
            yield row_of(line, text, {name: row[at].strip() for name, at in places.items()})
    except csv.Error as error:
        raise BadFileError(f"{path}: line {reader.line_num}: {error}") from None


def _json_rows(path: Path, file: TextIO) -> Iterator[MasterRow]:
    try:
        found = json.loads(file.read(), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"{path}: no JSON: {error}") from None
    rows = found.get("instruments") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise BadFileError(f"{path}: neither a list of instruments nor an object that holds one")
    for line, row in enumerate(rows, start=1):
        text = json.dumps(row, default=str, ensure_ascii=False)
        if not isinstance(row, Mapping):
            yield MasterRow(line, text, ("", ""), None, reason="no object")
            continue
        values = {
            name: "" if row[name] is None else str(row[name]).strip()
            for name in (*NEEDED, *OPTIONAL)
            if name in row
        }
        yield row_of(line, text, values)


def row_of(line: int, text: str, values: Mapping[str, str]) -> MasterRow:
    """Return the row these texts make."""
    key = (values.get("venue", ""), values.get("symbol", ""))
    try:
        instrument = _instrument(values)
        refuse_flawed(instrument)
    except RefusedRowError as error:
        return MasterRow(line, text, key, None, reason=str(error))
    return MasterRow(line, text, key, instrument, bool(values.get("multiplier")))


def offered_row(line: int, instrument: FeedInstrument) -> MasterRow:
    """Return the row of an instrument that a provider's feed offers."""
    key, text = (instrument.venue, instrument.symbol), f"{instrument.venue}:{instrument.symbol}"
    try:
        refuse_flawed(instrument)
    except RefusedRowError as error:
        return MasterRow(line, text, key, None, reason=str(error))
    return MasterRow(line, text, key, instrument)


def _instrument(values: Mapping[str, str]) -> FeedInstrument:
    for name in NEEDED:
        if not values.get(name):
            raise RefusedRowError(f"{name} is missing")
    venue, calendar = values["venue"], values.get("calendar", "")
    underlying, expires = values.get("underlying", ""), values.get("expires_at", "")
    strike = values.get("strike", "")
    return FeedInstrument(
        venue=venue,
        symbol=values["symbol"],
        kind=values["kind"],
        currency=values["currency"],
        tick_size=_number("tick_size", values["tick_size"]),
        lot_size=_number("lot_size", values["lot_size"]),
        multiplier=_number("multiplier", values.get("multiplier") or "1"),
        provider_symbol=values.get("provider_symbol", ""),
        calendar=calendar,
        expires_at=_expiry(expires, calendar) if expires else None,
        strike=_number("strike", strike) if strike else None,
        right=values.get("right", ""),
        underlying=underlying if not underlying or ":" in underlying else f"{venue}:{underlying}",
    )


def refuse_flawed(one: FeedInstrument) -> None:
    """Raise, with the reason, what the table of instruments could not hold or nobody could mean."""
    venue, colon, symbol = one.underlying.partition(":")
    reason = (
        _text_flaw("venue", one.venue)
        or _text_flaw("symbol", one.symbol)
        or (one.provider_symbol and _text_flaw("provider_symbol", one.provider_symbol))
        or (":" in one.venue and f"venue '{one.venue}' must not hold a colon")
        or ((venue, symbol) == (one.venue, one.symbol) and "it is its own underlying")
        or (
            bool(one.underlying)
            and not (venue and colon and symbol)
            and f"underlying '{one.underlying}' is not VENUE:SYMBOL"
        )
        or _terms_flaw(
            replace(one, venue="", symbol="", provider_symbol="", underlying=one.underlying and "u")
        )
    )
    if reason:
        raise RefusedRowError(reason)


# Masters repeat few terms, numbers and dates a hundred thousand times.
@lru_cache(maxsize=10_000)
def _terms_flaw(one: FeedInstrument) -> str:
    """Return what is wrong with an instrument apart from its names, '' when nothing is."""
    if flaw := _text_flaw("currency", one.currency):
        return flaw
    if one.kind not in KINDS:
        return f"unknown kind '{one.kind}'; known: {', '.join(KINDS)}"
    for name in SIZES:
        if flaw := _number_flaw(name, getattr(one, name), SIZE_BELOW, SIZE_DECIMALS):
            return flaw
    if flaw := _calendar_flaw(one.calendar):
        return flaw
    if one.expires_at is not None and one.expires_at.tzinfo is None:
        return "expires_at has no zone"
    return _option_flaw(one)


def _option_flaw(one: FeedInstrument) -> str:
    if one.kind != "option":
        if one.strike is not None or one.right:
            return f"strike and right belong to options, not to kind {one.kind}"
        return ""
    if one.right not in {"C", "P"}:
        return f"right '{one.right}' of an option must be C or P"
    if one.strike is None or one.expires_at is None or not one.underlying:
        return "an option needs strike, expires_at and underlying"
    return _number_flaw("strike", one.strike, STRIKE_BELOW, STRIKE_DECIMALS)


def _text_flaw(name: str, text: str) -> str:
    longest = LONGEST[name]
    if text and len(text) <= longest and text.isprintable() and text == text.strip():
        return ""
    return f"{name} '{text[:60]}' must be 1 to {longest} printable characters"


def _number_flaw(name: str, number: Decimal, below: Decimal, decimals: int) -> str:
    if not number.is_finite() or not 0 < number < below:
        return f"{name} {number} must lie above 0 and below {below}"
    if number != round(number, decimals):
        return f"{name} {number} has more than {decimals} decimals"
    return ""


def _number(name: str, text: str) -> Decimal:
    found = _decimal(text)
    if found is None:
        raise RefusedRowError(f"{name} '{text[:40]}' is no number")
    return found


@lru_cache(maxsize=10_000)
def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if NUMBER.fullmatch(text) else None


@lru_cache(maxsize=1000)
def _calendar_flaw(name: str) -> str:
    try:
        calendar_named(name)
    except PlumblineError as error:
        return str(error)
    return ""


def _expiry(text: str, calendar: str) -> datetime:
    """Return the instant: of a date, the close of its session, or the end of its UTC day."""
    try:
        if len(text) == len("2026-12-29"):
            if reason := _calendar_flaw(calendar):
                raise RefusedRowError(reason)
            return _end_of(date.fromisoformat(text), calendar)
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise RefusedRowError(f"expires_at '{text[:40]}' is no date and no instant") from None


@lru_cache(maxsize=10_000)
def _end_of(day: date, calendar: str) -> datetime:
    market = calendar_named(calendar)
    session = None if market is None else market.session_of(day)
    if session is not None:
        return session[1]
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
