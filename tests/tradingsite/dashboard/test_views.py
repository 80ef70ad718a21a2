"""The pages as a browser without script sees them."""

import re

import pytest
from django.test import Client

from marketdata.models import Stream
from risk.models import Control, Halt
from tests.tradingsite.desk_rows import DAY, T
from tradingsite.dashboard import panels

pytestmark = pytest.mark.django_db

PAGES = (
    *("/", "/positions/", "/orders/", "/signals/", "/signals/?show=holds", "/weights/", "/data/"),
    "/data/?state=any&instrument=SIM:ACME&timeframe=1d&page=1",
)


@pytest.fixture
def page(desk, everybody):
    """Return a client of the admin, looking at a desk past its rows."""
    Stream.objects.update(sealed_to=T + 10 * DAY)
    client = Client()
    client.force_login(everybody["admin"])
    return client


def as_role(everybody, role: str) -> Client:
    client = Client()
    client.force_login(everybody[role])
    return client


@pytest.mark.parametrize("path", PAGES)
def test_page_when_nobody_is_signed_in_asks_to(path):
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")


@pytest.mark.parametrize("path", PAGES)
def test_page_when_there_is_no_account_says_what_to_do(path, everybody):
    answer = as_role(everybody, "viewer").get(path)
    assert answer.status_code == 200
    assert b"manage.py up" in answer.content


@pytest.mark.parametrize("path", PAGES)
def test_page_when_a_desk_runs_is_complete_without_script(path, page):
    html = page.get(path).content.decode()
    assert "<strong>PAPER</strong>" in html
    assert "Desk time" in html
    assert "Kill" in html
    assert "could not be read" not in html
    assert "Skip to content" in html


@pytest.mark.parametrize("path", PAGES)
def test_page_when_printed_needs_no_inline_script_or_style(path, page):
    answer = page.get(path)
    html = answer.content.decode()
    assert "style=" not in html
    assert "<style" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    assert not re.search(r"\son[a-z]+=", html)
    assert "unsafe" not in answer["Content-Security-Policy"]


def test_orders_when_filtered_shows_only_those(page, desk):
    assert desk.order.client_order_id in page.get("/orders/").content.decode()
    answer = page.get("/orders/?state=canceled")
    assert desk.order.client_order_id not in answer.content.decode()
    assert b"No order matches" in answer.content


def test_why_when_the_order_exists_tells_the_whole_chain(page, desk):
    html = page.get(f"/orders/{desk.order.pk}/why/").content.decode()
    for part in (desk.version.label, desk.signal.key, "rsi", "macd", "bollinger"):
        assert part in html


def test_why_when_the_order_is_unknown_is_not_found(page):
    assert page.get("/orders/999999/why/").status_code == 404


@pytest.mark.parametrize("name", sorted(panels.PANELS))
def test_panel_when_asked_alone_is_the_same_piece(name, page):
    answer = page.get(f"/panels/{name}/")
    assert answer.status_code == 200
    assert b"<html" not in answer.content


def test_panel_when_nothing_moved_is_not_sent_again(page):
    first = page.get("/panels/orders/")
    again = page.get("/panels/orders/", headers={"if-none-match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_panel_when_the_desk_moved_is_sent(page):
    first = page.get("/panels/orders/")
    Stream.objects.update(sealed_to=T + 11 * DAY)
    assert page.get("/panels/orders/", headers={"if-none-match": first["ETag"]}).status_code == 200


def test_panel_when_filters_differ_has_another_tag(page):
    tags = {page.get(f"/panels/order-list/?state={one}")["ETag"] for one in ("", "filled", "open")}
    assert len(tags) == 3


def test_panel_when_signed_out_is_refused_without_redirect(desk):
    assert Client().get("/panels/orders/").status_code == 401


def test_panel_when_unknown_is_not_found(page):
    assert page.get("/panels/nonsense/").status_code == 404


def test_page_when_one_panel_breaks_shows_the_others(page, monkeypatch):
    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(panels.queries, "market", broken)
    html = page.get("/").content.decode()
    assert "Market could not be read" in html
    assert "Equity and drawdown" in html
    assert "Kill" in html
    assert page.get("/panels/market/").status_code == 500


def test_bot_when_a_trader_stops_it_is_stopped_and_says_so(desk, everybody):
    trader = as_role(everybody, "trader")
    answer = trader.post(f"/bots/{desk.bot.name}/act/", {"verb": "stop"}, follow=True)
    desk.bot.refresh_from_db()
    assert desk.bot.state == "stopped"
    assert f"Bot {desk.bot.name} is now stopped." in answer.content.decode()


@pytest.mark.parametrize("state", ["running", "paused", "stopped"])
def test_bot_page_in_every_state_offers_a_check_and_says_what_is_allowed(desk, everybody, state):
    type(desk.bot).objects.filter(pk=desk.bot.pk).update(state=state)
    html = as_role(everybody, "trader").get(f"/bots/{desk.bot.name}/").content.decode()
    assert 'name="verb" value="check"' in html
    assert "above 0 to 100" in html


def test_bot_when_a_viewer_tries_nothing_happens(desk, everybody):
    before = desk.bot.state
    viewer = as_role(everybody, "viewer")
    answer = viewer.post(f"/bots/{desk.bot.name}/act/", {"verb": "stop"}, follow=True)
    desk.bot.refresh_from_db()
    assert desk.bot.state == before
    assert "needs the role trader" in answer.content.decode()


def test_kill_switch_when_a_trader_pulls_it_halts_and_every_page_says_so(desk, everybody):
    release(desk)
    trader = as_role(everybody, "trader")
    trader.post("/kill-switch/", {"account": desk.account.name, "reason": "wrong prices"})
    assert Control.objects.get(account=desk.account).state == "halted"
    for path in PAGES:
        html = trader.get(path).content.decode()
        assert "HALTED" in html
        assert "wrong prices" in html


def test_kill_switch_when_a_trader_resumes_is_refused(desk, everybody):
    release(desk)
    trader = as_role(everybody, "trader")
    body = {"account": desk.account.name, "reason": "x"}
    trader.post("/kill-switch/", body)
    trader.post("/kill-switch/", body | {"action": "resume"})
    assert Control.objects.get(account=desk.account).state == "halted"
    as_role(everybody, "risk manager").post("/kill-switch/", body | {"action": "resume"})
    assert Control.objects.get(account=desk.account).state == "active"


def test_kill_switch_when_no_reason_is_given_says_so(desk, everybody):
    release(desk)
    trader = as_role(everybody, "trader")
    answer = trader.post("/kill-switch/", {"account": desk.account.name}, follow=True)
    assert Control.objects.get(account=desk.account).state == "active"
    assert "say why" in answer.content.decode()


def test_buttons_when_the_token_is_missing_are_refused(desk, everybody):
    client = Client(enforce_csrf_checks=True)
    client.force_login(everybody["admin"])
    assert client.post("/kill-switch/", {"account": desk.account.name}).status_code == 403


def test_buttons_when_told_to_go_elsewhere_stay_here(desk, everybody):
    body = {"account": desk.account.name, "reason": "x", "next": "https://example.com/"}
    answer = as_role(everybody, "trader").post("/kill-switch/", body)
    assert answer["Location"] == "/"


@pytest.mark.parametrize("method", ["put", "delete", "patch", "post"])
def test_page_when_written_to_refuses(method, page):
    assert getattr(page, method)("/").status_code == 405


def test_login_when_the_password_is_wrong_says_so():
    answer = Client().post("/login/", {"username": "a", "password": "b"})
    assert "do not match" in answer.content.decode()


def test_theme_when_the_cookie_is_nonsense_is_auto(page):
    page.cookies["theme"] = '"><script>'
    assert 'data-theme="auto"' in page.get("/").content.decode()


def test_clock_when_the_replay_is_finished_names_the_command(page):
    Stream.objects.update(is_finished=True)
    html = page.get("/").content.decode()
    assert "The replay has finished." in html
    assert "manage.py fresh_start" in html


def release(desk) -> None:
    """Let the account trade, whatever the rows say."""
    Halt.objects.filter(account=desk.account).update(to_at=T)
    Control.objects.filter(account=desk.account).update(state="active")
