"""Histories: pages over equal times, bad questions, downloads, adjusted and former bars, chains."""

import base64
import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.cache import cache
from django.http import StreamingHttpResponse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from marketdata.api import downloads
from marketdata.models import Bar, Dividend, Instrument, OptionQuote, Tick
from marketdata.services.import_chain import _expires_at
from marketdata.services.partitions import ensure_partitions
from tests.tradingsite.desk_rows import DAY, DeskRows, T

parquet = pytest.importorskip("pyarrow.parquet")
BARS = {"instrument": "SIM:ACME", "timeframe": "1d"}
# A sequence number that no column holds.
BEYOND_BIGINT = base64.urlsafe_b64encode(
    json.dumps(["f", "2005-06-01T00:00:00+00:00", 10**19]).encode()
).decode()
CLOSED = [f"2005-06-0{day}T00:00:00Z" for day in (2, 3, 4)]


def body_of(answer: StreamingHttpResponse) -> bytes:
    return b"".join(answer.streaming_content)


def rows_of(answer: StreamingHttpResponse) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body_of(answer).decode())))


def ticks_at(instrument: Instrument, *times: int) -> None:
    """Store one tick per given second; those of one second are numbered."""
    Tick.objects.all().delete()
    seen: dict[int, int] = {}
    for second in times:
        seen[second] = seen.get(second, -1) + 1
        at = T + timedelta(seconds=second)
        Tick.objects.create(instrument=instrument, ts=at, seq=seen[second], price=1, side=0)


def walked(client: APIClient, address: str, link: str) -> list[list[tuple[str, int]]]:
    """Return the keys of every page, following `link` to the end."""
    pages = []
    while address:
        page = client.get(address).json()
        pages.append([(row["ts"], row["seq"]) for row in page["results"]])
        address = page[link]
        assert len(pages) < 200
    return pages


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(times=st.lists(st.integers(0, 3), max_size=12), size=st.integers(1, 5))
def test_pages_when_times_are_equal_show_every_row_once_both_ways(
    times: list[int], size: int, desk: DeskRows, viewer: APIClient
) -> None:
    cache.clear()  # one person's requests of all examples together reach the limit
    ticks_at(desk.instrument, *times)
    pages = walked(viewer, f"/api/v1/ticks/?instrument=ACME&page_size={size}", "next")
    forward = [key for page in pages for key in page]
    assert len(forward) == len(times)
    assert forward == sorted(set(forward))
    last = f"/api/v1/ticks/?instrument=ACME&page_size={size}"
    while (after := viewer.get(last).json()["next"]) is not None:
        last = after
    assert walked(viewer, last, "previous") == pages[::-1]


def test_pages_when_more_rows_share_an_instant_than_a_page_holds_go_on(
    desk: DeskRows, viewer: APIClient
) -> None:
    Tick.objects.all().delete()
    Tick.objects.bulk_create(
        Tick(instrument=desk.instrument, ts=T, seq=seq, price=1, side=0) for seq in range(2500)
    )
    pages = walked(viewer, "/api/v1/ticks/?instrument=ACME&page_size=1000", "next")
    assert [len(page) for page in pages] == [1000, 1000, 500]
    assert [key[1] for page in pages for key in page] == list(range(2500))


def test_span_when_given_takes_from_and_leaves_to(desk: DeskRows, viewer: APIClient) -> None:
    ticks_at(desk.instrument, 0, 1, 2)
    query = {"instrument": "ACME", "from": "2005-06-01T00:00:01Z", "to": "2005-06-01T00:00:02Z"}
    found = viewer.get("/api/v1/ticks/", query).json()["results"]
    assert [row["ts"] for row in found] == ["2005-06-01T00:00:01Z"]


def test_tick_when_read_shows_every_column(desk: DeskRows, viewer: APIClient) -> None:
    assert viewer.get("/api/v1/ticks/", {"instrument": "ACME"}).json()["results"][0] == {
        "instrument": "SIM:ACME",
        "ts": "2005-06-01T00:00:00Z",
        "seq": 0,
        "price": 10.0,
        "size": 5.0,
        "side": 1,
        "exchange": "",
        "cond": "=1+1",
        "is_suspicious": False,
        "trade_id": None,
        "source": None,
    }


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ({}, 400, "invalid", "instrument"),
        ({"instrument": "A\0B"}, 400, "invalid", "instrument"),
        ({"instrument": "ACME", "from": "2005-06-01T00:00:00"}, 400, "invalid", "from"),
        ({"instrument": "ACME", "from": "soon"}, 400, "invalid", "from"),
        ({"instrument": "ACME", "to": "0001-01-01T00:00:00+23:00"}, 400, "invalid", "to"),
        ({"instrument": "ACME", "page_size": "1001"}, 400, "invalid", "page_size"),
        ({"instrument": "ACME", "page_size": "0"}, 400, "invalid", "page_size"),
        ({"instrument": "ACME", "colour": "red"}, 400, "invalid", "colour"),
        ({"instrument": "ACME", "format": "xml"}, 400, "invalid", "format"),
        ({"instrument": "NONE"}, 404, "unknown_instrument", None),
        ({"instrument": "ACME", "cursor": "nonsense"}, 404, "not_found", None),
        ({"instrument": "ACME", "cursor": "WyJmIiwgMSwgMl0="}, 404, "not_found", None),
        ({"instrument": "ACME", "cursor": "bnVsbA=="}, 404, "not_found", None),
        ({"instrument": "ACME", "cursor": BEYOND_BIGINT}, 404, "not_found", None),
    ],
)
def test_question_when_bad_is_a_problem_that_names_it(
    query: dict[str, str],
    status: int,
    code: str,
    field: str | None,
    desk: DeskRows,
    viewer: APIClient,
) -> None:
    answer = viewer.get("/api/v1/ticks/", query)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert field is None or field in problem["errors"]


def test_instrument_when_two_venues_trade_it_asks_which(desk: DeskRows, viewer: APIClient) -> None:
    Instrument.objects.create(venue="ELSE", symbol="ACME", tick_size=1, lot_size=1)
    problem = viewer.get("/api/v1/bars/", {"instrument": "ACME", "timeframe": "1d"}).json()
    assert problem["code"] == "unknown_instrument"
    assert "SIM:ACME" in problem["detail"]


@pytest.mark.parametrize(
    ("path", "accept"), [("?format=csv&", "*/*"), ("?", "text/csv")], ids=["format", "accept"]
)
def test_csv_when_asked_for_holds_every_row_and_no_formula(
    path: str, accept: str, desk: DeskRows, viewer: APIClient
) -> None:
    answer = viewer.get(f"/api/v1/ticks/{path}instrument=ACME", headers={"Accept": accept})
    assert answer["Content-Type"] == "text/csv"
    assert answer["Content-Disposition"] == 'attachment; filename="tick-SIM-ACME.csv"'
    rows = rows_of(answer)
    assert [row["cond"] for row in rows] == ["'=1+1", ""]
    assert [row["ts"] for row in rows] == ["2005-06-01T00:00:00Z"] * 2
    assert [row["size"] for row in rows] == ["5.0", ""]


def test_parquet_when_asked_for_holds_what_json_holds(desk: DeskRows, viewer: APIClient) -> None:
    answer = viewer.get("/api/v1/bars/", {**BARS, "format": "parquet"})
    table = parquet.read_table(io.BytesIO(body_of(answer)))
    told = viewer.get("/api/v1/bars/", BARS).json()["results"]
    assert table.num_rows == 3
    for row, same in zip(table.to_pylist(), told, strict=True):
        times = {name: value for name, value in row.items() if isinstance(value, datetime)}
        shown = {name: f"{value:%Y-%m-%dT%H:%M:%SZ}" for name, value in times.items()}
        assert row | shown == same


def test_parquet_when_nothing_matches_is_an_empty_table(desk: DeskRows, viewer: APIClient) -> None:
    query = {**BARS, "format": "parquet", "from": "2030-01-01T00:00:00Z"}
    table = parquet.read_table(io.BytesIO(body_of(viewer.get("/api/v1/bars/", query))))
    assert (table.num_rows, table.column_names[:2]) == (0, ["instrument", "timeframe"])


def test_download_when_too_large_is_refused_with_what_to_do(
    desk: DeskRows, viewer: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads.refuse_too_many, "__defaults__", (1,))
    problem = viewer.get("/api/v1/ticks/", {"instrument": "ACME", "format": "csv"}).json()
    assert (problem["status"], problem["code"]) == (400, "too_many_rows")
    assert "narrow them with from and to" in problem["detail"]


def test_facts_when_csv_is_asked_for_are_the_rows_of_the_list(
    desk: DeskRows, viewer: APIClient
) -> None:
    [row] = rows_of(viewer.get("/api/v1/data-gaps/", {"format": "csv", "state": "open"}))
    [told] = viewer.get("/api/v1/data-gaps/", {"state": "open"}).json()["results"]
    assert row == {name: "" if value is None else str(value) for name, value in told.items()}


def test_bars_when_adjusted_are_in_todays_units(desk: DeskRows, viewer: APIClient) -> None:
    """The desk has a split of 2 and a dividend of 0.99 at T: both count from T on."""
    Dividend.objects.create(
        instrument=desk.instrument, effective_at=T + DAY * 2, factor=Decimal("0.5")
    )

    def closes(**query: str) -> list[float]:
        rows = viewer.get("/api/v1/bars/", {**BARS, **query}).json()["results"]
        return [row["close"] for row in rows]

    assert closes() == [10.25, 10.5, 10.5]
    assert closes(adjust="splits") == [10.25, 10.5, 10.5]
    assert closes(adjust="all") == [5.125, 5.25, 10.5]
    # As of an instant that does not know the dividend yet.
    assert closes(adjust="all", known_at=CLOSED[0]) == [10.25]
    problem = viewer.get("/api/v1/bars/", {**BARS, "adjust": "magic"}).json()
    assert "adjust" in problem["errors"]


def test_adjusted_volume_when_it_was_not_measured_stays_so(
    desk: DeskRows, viewer: APIClient
) -> None:
    Bar.objects.filter(opened_at=T).update(volume=None)
    rows = viewer.get("/api/v1/bars/", {**BARS, "adjust": "splits"}).json()["results"]
    assert [row["volume"] for row in rows] == [None, 100.0, 100.0]


def test_bars_when_corrected_are_the_former_ones_for_who_asks_earlier(
    desk: DeskRows, viewer: APIClient
) -> None:
    """The first bar was corrected while the stream stood at T + 2 days: it counts after that."""
    desk.account.stream.sealed_to = T + DAY * 2
    desk.account.stream.save()
    Bar.objects.filter(opened_at=T).update(close=10.75)

    def known(at: datetime) -> list[tuple[float, int]]:
        query = {**BARS, "known_at": at.isoformat()}
        rows = viewer.get("/api/v1/bars/", query).json()["results"]
        return [(row["close"], row["version"]) for row in rows]

    assert known(T + DAY * 2) == [(10.25, 2), (10.5, 1)]
    assert known(T + DAY * 3) == [(10.75, 3), (10.5, 1), (10.5, 1)]


def test_bars_when_they_came_behind_their_seal_count_only_later(
    desk: DeskRows, viewer: APIClient
) -> None:
    Bar.objects.filter(opened_at=T + DAY).update(known_at=T + DAY * 2)

    def known(at: datetime) -> list[str]:
        query = {**BARS, "known_at": at.isoformat()}
        return [row["closed_at"] for row in viewer.get("/api/v1/bars/", query).json()["results"]]

    assert known(T + DAY * 2) == CLOSED[:1]
    assert known(T + DAY * 3) == CLOSED


@pytest.fixture
def chain(desk: DeskRows) -> Instrument:
    """Return the underlying of two contracts; the call was seen twice, the put once."""
    ensure_partitions(table="marketdata_optionquote", first=T, last=T)
    for right, seen in (("C", (0, 5)), ("P", (2,))):
        contract = Instrument.objects.create(
            venue="SIM",
            symbol=f"ACME-10-{right}",
            kind="option",
            right=right,
            strike=10,
            underlying=desk.instrument,
            tick_size=1,
            lot_size=1,
            expires_at=datetime(2005, 7, 15, 20, tzinfo=UTC),
        )
        for minute in seen:
            OptionQuote.objects.create(
                instrument=contract, observed_at=T + timedelta(minutes=minute), bid=1 + minute
            )
    return desk.instrument


def test_chain_when_asked_as_of_shows_each_contract_as_last_seen(
    chain: Instrument, viewer: APIClient
) -> None:
    def bids(**more: str) -> list[tuple[str, float]]:
        query = {"underlying": "ACME", "expiry": "2005-07-15", **more}
        rows = viewer.get("/api/v1/option-chain/", query).json()["contracts"]
        return [(row["right"], row["bid"]) for row in rows]

    assert bids() == [("C", 6.0), ("P", 3.0)]
    assert bids(as_of="2005-06-01T00:04:59Z") == [("C", 1.0), ("P", 3.0)]
    assert bids(as_of="2005-06-01T00:01:00Z") == [("C", 1.0)]
    query = {"underlying": "ACME", "expiry": "2005-07-15", "format": "csv"}
    rows = rows_of(viewer.get("/api/v1/option-chain/", query))
    assert [(row["instrument"], row["strike"]) for row in rows] == [
        ("SIM:ACME-10-C", "10.0"),
        ("SIM:ACME-10-P", "10.0"),
    ]


@pytest.mark.parametrize(
    ("calendar", "expires_at"),
    [
        ("", datetime(2015, 12, 25, tzinfo=UTC)),  # the end of the 24th
        ("24/7", datetime(2015, 12, 25, tzinfo=UTC)),
        ("NYSE", datetime(2015, 12, 24, 18, tzinfo=UTC)),  # closes early
        ("NSE", datetime(2015, 12, 24, 10, tzinfo=UTC)),
    ],
)
def test_chain_when_an_expiry_is_named_bears_the_date_of_its_session(
    calendar: str, expires_at: datetime, chain: Instrument, viewer: APIClient
) -> None:
    day = date(2015, 12, 24)
    assert _expires_at(day, calendar) == expires_at
    Instrument.objects.filter(kind="option").update(expires_at=expires_at, calendar=calendar)
    problem = viewer.get("/api/v1/option-chain/", {"underlying": "ACME"}).json()
    assert problem["errors"] == {"expiry": ["needed; stored: 2015-12-24"]}

    def contracts(expiry: str) -> list[str]:
        query = {"underlying": "ACME", "expiry": expiry}
        rows = viewer.get("/api/v1/option-chain/", query).json()["contracts"]
        return [row["right"] for row in rows]

    assert [contracts(f"2015-12-{one}") for one in (23, 24, 25)] == [[], ["C", "P"], []]


@pytest.mark.parametrize("route", ["option-chain", "bars"])
def test_download_when_no_row_matches_is_a_valid_empty_file(
    route: str, chain: Instrument, viewer: APIClient
) -> None:
    none = {"underlying": "ACME", "expiry": "2005-07-16"}
    query = none if route == "option-chain" else {**BARS, "timeframe": "5m"}
    file = body_of(viewer.get(f"/api/v1/{route}/", {**query, "format": "parquet"}))
    table = parquet.read_table(io.BytesIO(file))
    assert (table.num_rows, table.column_names[0]) == (0, "instrument")
    text = body_of(viewer.get(f"/api/v1/{route}/", {**query, "format": "csv"})).decode()
    assert text == ",".join(table.column_names) + "\n"


def test_chain_when_no_expiry_is_given_says_which_are_stored(
    chain: Instrument, viewer: APIClient
) -> None:
    problem = viewer.get("/api/v1/option-chain/", {"underlying": "ACME"}).json()
    assert problem["errors"] == {"expiry": ["needed; stored: 2005-07-15"]}
