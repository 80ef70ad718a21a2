"""Masters are read row by row; a row that is no instrument says why, a broken file raises."""

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from marketdata.feeds.base import FeedInstrument
from marketdata.instrument_masters import (
    KINDS,
    MasterRow,
    RefusedRowError,
    offered_row,
    read_master,
    refuse_flawed,
    row_of,
)
from marketdata.models import Instrument
from marketdata.row_layouts import BadFileError

SHARE = {
    "venue": "NSE", "symbol": "SBIN", "kind": "equity", "currency": "INR", "tick_size": "0.05",
    "lot_size": "1",
}  # fmt: skip
CALL = {
    **SHARE, "symbol": "NIFTY29DEC2626000CE", "kind": "option", "lot_size": "75",
    "expires_at": "2026-12-29T10:00:00+00:00", "strike": "26000", "right": "C",
    "underlying": "NIFTY",
}  # fmt: skip
HEAD = "venue,symbol,kind,currency,tick_size,lot_size"
Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


def row(**values: str) -> MasterRow:
    return row_of(1, "text", {**SHARE, **values})


def test_row_of_when_whole_is_the_instrument() -> None:
    found = row_of(
        7, "text", {**CALL, "multiplier": "2", "calendar": "NSE", "provider_symbol": "x"}
    )
    assert found == MasterRow(
        7,
        "text",
        ("NSE", "NIFTY29DEC2626000CE"),
        FeedInstrument(
            venue="NSE",
            symbol="NIFTY29DEC2626000CE",
            kind="option",
            currency="INR",
            tick_size=Decimal("0.05"),
            lot_size=Decimal(75),
            multiplier=Decimal(2),
            provider_symbol="x",
            calendar="NSE",
            expires_at=datetime(2026, 12, 29, 10, tzinfo=UTC),
            strike=Decimal(26000),
            right="C",
            underlying="NSE:NIFTY",
        ),
    )


def test_row_of_when_the_optional_is_missing_says_so() -> None:
    found = row()
    assert (found.has_multiplier, found.reason) == (False, "")
    assert found.instrument == FeedInstrument(
        "NSE", "SBIN", "equity", "INR", Decimal("0.05"), Decimal(1)
    )


@pytest.mark.parametrize(
    ("calendar", "expires", "instant"),
    [
        ("NSE", "2026-12-29", "2026-12-29T10:00:00+00:00"),  # the session's close
        ("", "2026-12-29", "2026-12-30T00:00:00+00:00"),  # the end of the day
        ("NSE", "2026-12-27", "2026-12-28T00:00:00+00:00"),  # a Sunday has no session
        ("NSE", "2026-12-29T15:30:00+05:30", "2026-12-29T15:30:00+05:30"),
    ],
)
def test_row_of_when_it_expires_has_the_instant(calendar: str, expires: str, instant: str) -> None:
    found = row(calendar=calendar, expires_at=expires, kind="future").instrument
    assert found is not None
    assert found.expires_at == datetime.fromisoformat(instant)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"venue": ""}, "venue is missing"),
        ({"lot_size": ""}, "lot_size is missing"),
        ({"venue": "N:S"}, "venue 'N:S' must not hold a colon"),
        ({"venue": "V" * 21}, "must be 1 to 20 printable characters"),
        ({"symbol": "a\x07b"}, "must be 1 to 40 printable characters"),
        ({"kind": "bond"}, "unknown kind 'bond'; known: equity, etf, index"),
        ({"tick_size": "five"}, "tick_size 'five' is no number"),
        ({"tick_size": "1_000"}, "tick_size '1_000' is no number"),
        ({"tick_size": "NaN"}, "tick_size 'NaN' is no number"),
        ({"tick_size": "-1"}, "tick_size '-1' is no number"),
        ({"lot_size": "0"}, "lot_size 0 must lie above 0 and below 1000000000"),
        ({"lot_size": "1e9"}, "must lie above 0 and below 1000000000"),
        ({"tick_size": "0.00000000001"}, "has more than 10 decimals"),
        ({"calendar": "MARS"}, "unknown calendar 'MARS'"),
        ({"calendar": "MARS", "expires_at": "2026-12-29"}, "unknown calendar 'MARS'"),
        ({"expires_at": "29DEC2026"}, "expires_at '29DEC2026' is no date and no instant"),
        ({"expires_at": "2026-02-30"}, "is no date and no instant"),
        ({"expires_at": "2026-12-29T10:00:00"}, "expires_at has no zone"),
        ({"strike": "5"}, "strike and right belong to options, not to kind equity"),
        ({"underlying": "SBIN"}, "it is its own underlying"),
        ({"underlying": "NSE:"}, "underlying 'NSE:' is not VENUE:SYMBOL"),
        ({**CALL, "right": "CE"}, "right 'CE' of an option must be C or P"),
        ({**CALL, "strike": ""}, "an option needs strike, expires_at and underlying"),
        ({**CALL, "underlying": ""}, "an option needs strike, expires_at and underlying"),
        ({**CALL, "strike": "1e12"}, "strike 1E+12 must lie above 0 and below 1000000000000"),
        ({**CALL, "strike": "0.0000001"}, "has more than 6 decimals"),
        ({"provider_symbol": "p" * 61}, "must be 1 to 60 printable characters"),
    ],
)
def test_row_of_when_it_is_no_instrument_says_why(values: dict[str, str], reason: str) -> None:
    found = row(**values)
    assert found.instrument is None
    assert reason in found.reason
    assert "\n" not in found.reason
    assert found.key == (values.get("venue", "NSE"), values.get("symbol", "SBIN"))


def test_offered_row_when_a_feed_offers_nonsense_says_why() -> None:
    one = FeedInstrument("X", "S", "crypto", "USD", Decimal("0.01"), Decimal("NaN"))
    assert offered_row(3, one).reason == "lot_size NaN must lie above 0 and below 1000000000"
    naive = replace(one, lot_size=Decimal(1), expires_at=datetime(2026, 1, 1))
    with pytest.raises(RefusedRowError, match="expires_at has no zone"):
        refuse_flawed(naive)
    assert offered_row(3, replace(one, lot_size=Decimal(1))).instrument is not None


def test_kinds_when_compared_are_those_of_the_table() -> None:
    assert list(KINDS) == [kind for kind, _ in Instrument.KINDS]


@pytest.mark.parametrize("name", ["master.csv", "master.csv.gz"])
def test_read_master_when_csv_reads_every_row(name: str, write: Write) -> None:
    text = f"Symbol,note,{HEAD.replace('symbol,', '')}\nSBIN,x,NSE,equity,INR,0.05,1\n\nBAD,x\n"
    content = text.encode("utf-8-sig")
    path = write(name, gzip.compress(content) if name.endswith("gz") else content)
    good, bad = read_master(path)
    assert (good.line, good.key, good.reason) == (2, ("NSE", "SBIN"), "")
    assert (bad.line, bad.text, bad.reason) == (4, "BAD,x", "2 columns, not 7")


@pytest.mark.parametrize(
    "wrap", [lambda rows: rows, lambda rows: {"instruments": rows, "made": "today"}]
)
def test_read_master_when_json_reads_every_row(wrap: Callable[[Any], Any], write: Write) -> None:
    rows = [{**SHARE, "tick_size": 0.05, "lot_size": 1, "calendar": None, "other": []}, 5]
    good, bad = read_master(write("master.json", json.dumps(wrap(rows))))
    assert good.instrument == row().instrument
    assert (bad.line, bad.text, bad.reason) == (2, "5", "no object")


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("m.csv", "", "columns missing: venue, symbol, kind"),
        ("m.csv", "venue,symbol\nA,B\n", "columns missing: kind, currency, tick_size, lot_size"),
        ("m.csv", b"\xff\xfe\x00", "no UTF-8 text"),
        ("m.csv", f"{HEAD}\n" + "x" * 200_000 + "\n", "line 2: field larger than field limit"),
        ("m.csv.gz", gzip.compress(f"{HEAD}\n".encode() * 99, mtime=0)[:30], "broken or cut off"),
        ("m.json", '[{"venue": "N', "no JSON"),
        ("m.json", "[" * 100_000, "no JSON"),
        ("m.json", "5", "neither a list of instruments nor an object that holds one"),
        ("m.json", '{"error": "sign in"}', "neither a list of instruments"),
        ("m.csv", "<html><body>502</body></html>", "columns missing"),
    ],
)
def test_read_master_when_broken_raises_one_line(
    name: str, content: str | bytes, line: str, write: Write
) -> None:
    with pytest.raises(BadFileError) as refused:
        list(read_master(write(name, content)))
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


def test_read_master_when_there_is_no_file_raises(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(BadFileError):
            list(read_master(path))
