"""The data page: what it shows, who may press its buttons, and what they do."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from marketdata.models import Bar, DataFinding, DataGap, DataImport, Instrument, Provider, Split
from marketdata.services.measure_coverage import known_series, measure_coverage
from tests.tradingsite.desk_rows import DAY, DeskRows, T, make_desk
from tradingsite.dashboard import data_queries, strips
from tradingsite.models import Audit

pytestmark = pytest.mark.django_db


def signed_in(everybody: dict[str, User], role: str) -> Client:
    client = Client()
    client.force_login(everybody[role])
    return client


@pytest.fixture
def page(desk: DeskRows, everybody: dict[str, User]) -> Client:
    """Return a risk manager looking at a desk whose instrument trades around the clock."""
    Instrument.objects.update(calendar="24/7")
    return signed_in(everybody, "risk manager")


def shown(client: Client, panel: str, query: str = "") -> str:
    return client.get(f"/panels/{panel}/?{query}").content.decode()


def test_coverage_when_a_calendar_is_known_counts_what_is_missing(page: Client) -> None:
    """Three bars are stored, and the ledger misses two."""
    [one] = measure_coverage(series=known_series())
    assert (one.bars, one.missing, one.expected, one.share) == (3, 2, 5, 0.6)
    assert (one.open_gaps, one.findings, one.revisions, one.source) == (1, 1, 1, "file.csv")
    assert (one.first_opened_at, one.last_closed_at) == (T, T + DAY * 3)
    html = shown(page, "coverage")
    assert "SIM:ACME" in html
    assert "60.00 %" in html
    assert 'class="hole g-open"' in html


def test_coverage_when_no_calendar_is_known_says_so(page: Client) -> None:
    Instrument.objects.update(calendar="")
    [one] = measure_coverage(series=known_series())
    assert (one.expected, one.missing, one.share) == (None, None, None)
    assert "unknown" in shown(page, "coverage")


def test_coverage_when_bars_lie_outside_the_session_expects_fewer(page: Client) -> None:
    DataFinding.objects.update(kind="off_session", bars=1)
    [one] = measure_coverage(series=known_series())
    assert one.expected == 4


def test_coverage_when_a_provider_delivered_last_names_it(page: Client) -> None:
    Bar.objects.filter(opened_at=T + DAY * 2).update(source=Provider.objects.get())
    [one] = measure_coverage(series=known_series())
    assert one.source == "someone"


def test_coverage_when_series_grow_costs_the_same_queries(page: Client) -> None:
    with CaptureQueriesContext(connection) as few:
        measure_coverage(series=known_series())
    make_desk("TWO")
    with CaptureQueriesContext(connection) as more:
        assert len(measure_coverage(series=known_series())) == 2
    assert len(more) == len(few)


def test_coverage_api_when_asked_pages_and_downloads(page: Client, viewer: APIClient) -> None:
    make_desk("TWO")
    first = viewer.get("/api/v1/coverage/", {"page_size": 1}).json()
    assert (first["count"], first["results"][0]["instrument"]) == (2, "SIM:ACME")
    second = viewer.get(first["next"]).json()
    assert (second["results"][0]["instrument"], second["next"]) == ("SIM:TWO", None)
    assert viewer.get("/api/v1/coverage/", {"instrument": "TWO"}).json()["count"] == 1
    lines = b"".join(viewer.get("/api/v1/coverage/?format=csv").streaming_content).splitlines()
    assert len(lines) == 3
    problem = viewer.get("/api/v1/coverage/", {"timeframe": "7x"}).json()
    assert "timeframe" in problem["errors"]


def test_series_when_one_has_an_open_gap_comes_first(page: Client) -> None:
    other = make_desk("AAA").instrument
    DataGap.objects.filter(instrument=other).update(state="accepted", settled_to=T)
    names = [row.coverage.instrument for row in data_queries.series_page({}).rows]
    assert names == ["SIM:ACME", "SIM:AAA"]


def test_strip_when_a_gap_is_small_still_shows_it(page: Client) -> None:
    [row] = data_queries.series_page({}).rows
    hole = data_queries.Hole(T + DAY, T + DAY, 1, "open")
    svg = strips.strip(row.coverage, [hole])
    assert re.search(r'x="333\.3" width="3\.0"', svg)
    assert "1 holes, 1 of them open" in svg


@pytest.mark.parametrize("panel", ["coverage", "gaps", "findings", "imports", "providers"])
def test_panel_when_nothing_is_stored_says_what_to_do(
    panel: str, everybody: dict[str, User]
) -> None:
    client = signed_in(everybody, "viewer")
    rows = make_desk()
    for model in (DataGap, DataFinding):
        model.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE;"
            " TRUNCATE marketdata_bar, marketdata_rejectedrow, marketdata_datarevision,"
            " marketdata_dataimport, marketdata_providersymbol, marketdata_provider CASCADE"
        )
    html = shown(client, panel, f"account={rows.account.name}")
    assert '<div class="state' in html
    assert "could not be read" not in html


def test_panel_when_its_query_fails_says_so_and_the_rest_stays(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_queries, "gap_rows", lambda _: 1 / 0)
    html = page.get("/data/").content.decode()
    assert "Gaps could not be read." in html
    assert "Coverage could not be read." not in html


def test_gap_when_accepted_blocks_nothing_and_names_who(page: Client) -> None:
    gap = DataGap.objects.get()
    assert "Accept that 2 bars of SIM:ACME 1d stay missing?" in shown(page, "gaps")
    answer = page.post(reverse("gap-action", args=[gap.pk, "accept"]), follow=True)
    assert "this gap blocks nothing" in answer.content.decode()
    gap.refresh_from_db()
    assert (gap.state, gap.settled_by) == ("accepted", "risk_manager")
    again = page.post(reverse("gap-action", args=[gap.pk, "accept"]), follow=True)
    assert "is not open any more" in again.content.decode()
    told = Audit.objects.filter(body__contains="gap_accepted")
    assert [("risk_manager" in one.body, "SIM:ACME 1d" in one.body) for one in told] == [
        (True, True)
    ]


@pytest.mark.parametrize(
    ("role", "verb", "may"),
    [
        ("viewer", "accept", False),
        ("trader", "accept", False),
        ("risk manager", "accept", True),
        ("viewer", "ask", False),
        ("trader", "ask", True),
    ],
)
def test_gap_button_when_the_role_does_not_reach_changes_nothing(
    role: str, verb: str, may: bool, desk: DeskRows, everybody: dict[str, User]
) -> None:
    gap = DataGap.objects.get()
    client = signed_in(everybody, role)
    answer = client.post(reverse("gap-action", args=[gap.pk, verb]), follow=True)
    assert ("This needs the role" in answer.content.decode()) is not may
    gap.refresh_from_db()
    assert gap.state == ("accepted" if may and verb == "accept" else "open")


def test_split_when_its_finding_is_accepted_goes_on_record(page: Client) -> None:
    Split.objects.all().delete()
    DataFinding.objects.update(kind="split_suspected", value=2.0)
    finding = DataFinding.objects.get()
    assert "Accept the split? It goes on record" in shown(page, "findings")
    page.post(reverse("finding-action", args=[finding.pk, "accept"]))
    assert Split.objects.get().ratio == 2
    assert DataFinding.objects.get().state == "accepted"


def test_finding_when_dismissed_is_settled(page: Client) -> None:
    finding = DataFinding.objects.get()
    page.post(reverse("finding-action", args=[finding.pk, "dismiss"]))
    assert DataFinding.objects.get().state == "dismissed"
    assert "No odd bar waits" in shown(page, "findings")
    assert "outlier" in shown(page, "findings", "state=settled")


def test_panels_when_nothing_moved_are_not_sent_again(page: Client) -> None:
    first = page.get("/panels/gaps/")
    same = page.get("/panels/gaps/", headers={"If-None-Match": first["ETag"]})
    assert same.status_code == 304
    DataGap.objects.update(attempts=3)
    moved = page.get("/panels/gaps/", headers={"If-None-Match": first["ETag"]})
    assert moved.status_code == 200
    assert "asked 3 times without luck" in moved.content.decode()


def test_imports_when_rows_were_refused_show_the_first(page: Client) -> None:
    html = shown(page, "imports")
    assert "price is NaN" in html
    assert "Refused rows" in html


def test_lists_when_longer_than_a_page_go_on(page: Client, desk: DeskRows) -> None:
    DataGap.objects.bulk_create(
        DataGap(
            instrument=desk.instrument,
            timeframe="5m",
            first_opened_at=T + timedelta(minutes=5 * n),
            last_opened_at=T + timedelta(minutes=5 * n),
            known_from=T + timedelta(minutes=5 * n + 5),
            bars=1,
        )
        for n in range(data_queries.ROWS_SHOWN)
    )
    html = shown(page, "gaps")
    older = re.search(r"gaps_before=(\d+)", html)
    assert older
    assert "SIM:ACME" in shown(page, "gaps", f"gaps_before={older[1]}")
    for nonsense in ("gaps_before=abc", "page=0", "page=9999999", "timeframe=7x", "state=odd"):
        for panel in ("gaps", "coverage"):
            assert "could not be read" not in shown(page, panel, nonsense)


def test_import_of_what_a_person_wrote_is_escaped(page: Client) -> None:
    DataImport.objects.update(source="<script>x</script>.csv")
    html = page.get("/data/").content.decode()
    assert "<script>x" not in html
    assert "&lt;script&gt;x" in html


@pytest.mark.parametrize("panel", ["coverage", "gaps", "findings", "imports"])
def test_panel_when_the_instrument_holds_a_nul_finds_nothing(page: Client, panel: str) -> None:
    answer = page.get(f"/panels/{panel}/?instrument=%00")
    assert answer.status_code == 200
    assert "SIM:ACME" not in answer.content.decode()
    assert page.get("/data/?instrument=%00&account=%00").status_code == 200
