"""The live page in a real browser, while the walk trades behind it."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections

from execution.models import Fill
from marketdata.models import Stream
from risk.models import Control
from risk.services.kill_switch import engage_kill_switch
from tradingsite.env import CHECKOUT, with_database_name

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PASSWORD = "plumb-and-level"
BEGIN = datetime(2005, 1, 1, tzinfo=UTC)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
    pytest.mark.django_db(transaction=True, databases=["default", "venue"]),
]


class Web:
    """The web process on the test's database: it can be stopped and started again."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        name = connection.settings_dict["NAME"]
        database = with_database_name(os.environ["DATABASE_URL"], name)
        argv = (
            *(sys.executable, "-m", "uvicorn", "tradingsite.asgi:application"),
            *("--port", str(self.port), "--no-access-log", "--log-level", "error"),
            *("--timeout-graceful-shutdown", "1"),
        )
        env = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": SETTINGS}
        self.process = subprocess.Popen(argv, cwd=CHECKOUT, env=env)
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/login/", timeout=2).close()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


SETTINGS = os.environ.get("DJANGO_SETTINGS_MODULE", "tradingsite.settings.test")


@pytest.fixture
def web(sample_desk: Callable[..., object]) -> Iterator[Web]:
    """Return a web process over a small desk on real prices."""
    sample_desk(start=BEGIN)
    User.objects.create_superuser("anna", password=PASSWORD)
    found = Web()
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Return chromium. Its driver runs an event loop in this thread, which Django must allow."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()
        # Django keeps connections per event loop: those of this one end with it.
        connections.close_all()


@pytest.fixture
def complaints() -> list[str]:
    """Return what pages wrote to the console as errors."""
    return []


@pytest.fixture
def open_desk(web: Web, browser: object, complaints: list[str]) -> Callable[..., object]:
    """Return a function that signs in and opens the desk in a window of that kind."""

    def open_it(path: str = "/", *, user: str = "anna", **window: object) -> object:
        page = browser.new_context(**window).new_page()
        page.on("console", lambda line: complaints.append(line.text) if _bad(line) else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{web.url}/login/?next={path}")
        page.fill("#id_username", user)
        page.fill("#id_password", PASSWORD)
        page.click("form.login button")
        page.wait_for_url(f"{web.url}{path}")
        return page

    return open_it


def _bad(line: object) -> bool:
    return line.type in ("error", "warning")


def test_desk_when_the_walk_trades_moves_without_reload(web, open_desk, walk_to, complaints):
    page = open_desk()
    page.evaluate("window.sameDocument = true")
    page.wait_for_selector(".clock-live.is-live")
    assert "The curve begins" in page.inner_text("#panel-equity")
    assert "No fill yet." in page.inner_text("#panel-fills")

    stream = Stream.objects.get()
    walk_to(stream, _account(), datetime(2005, 4, 1, tzinfo=UTC))

    assert Fill.objects.exists()
    page.wait_for_selector("#panel-fills tbody tr", timeout=10_000)
    page.wait_for_selector("#panel-equity svg .line", timeout=10_000)
    stream.refresh_from_db()
    _until(lambda: page.inner_text(".clock strong") == f"{stream.sealed_to:%Y-%m-%d %H:%M}")
    assert page.evaluate("window.sameDocument") is True
    assert complaints == []


def test_why_when_followed_from_a_fill_leads_to_the_indicators(open_desk, walk_to, complaints):
    walk_to(Stream.objects.get(), _account(), datetime(2005, 4, 1, tzinfo=UTC))
    page = open_desk()
    page.click("#panel-fills a.sym >> nth=0")
    page.wait_for_url("**/why/")
    text = page.inner_text("main")
    for part in ("rsi", "supertrend", "Contribution", "Risk decision", "Timeline", "Bars used"):
        assert part in text
    assert complaints == []


def test_page_when_the_server_goes_says_stale_and_comes_back(web, open_desk):
    page = open_desk()
    page.wait_for_selector(".clock-live.is-live")
    web.stop()
    page.wait_for_selector("[data-stale]:not([hidden])", timeout=12_000)
    assert page.inner_text("[data-stale]").startswith("STALE since ")
    assert page.evaluate("document.documentElement.classList.contains('is-stale')")
    web.start()
    page.wait_for_selector("[data-stale]", state="hidden", timeout=40_000)
    assert not page.evaluate("document.documentElement.classList.contains('is-stale')")


def test_kill_switch_when_confirmed_halts_and_shows_everywhere(open_desk, complaints):
    page = open_desk("/orders/")
    page.keyboard.press("Shift+K")
    assert "New entries are refused" in page.inner_text("#kill-dialog")
    page.fill("#kill-reason", "wrong prices")
    page.click("#kill-dialog .danger")
    page.wait_for_selector(".band-halt")
    assert page.url.endswith("/orders/")
    assert Control.objects.get().state == "halted"
    assert complaints == []


def test_halt_when_made_elsewhere_shows_on_an_open_page(open_desk, complaints):
    page = open_desk("/orders/")
    page.evaluate("window.sameDocument = true")
    page.wait_for_selector(".clock-live.is-live")
    page.click(".kill")
    page.fill("#kill-reason", "half a sentence")

    engage_kill_switch(account_name="test", actor="boris", reason="two feeds disagree")

    page.wait_for_selector(".band-halt")
    assert "by boris: “two feeds disagree”" in page.inner_text(".band-halt")
    # What somebody is filling in stays until it is closed; then the button is the new one.
    assert page.input_value("#kill-reason") == "half a sentence"
    page.click("#kill-dialog [data-close]")
    page.wait_for_selector(".kill.is-on")
    page.click(".kill")
    assert "Let test trade again?" in page.inner_text("#kill-dialog")
    page.fill("#kill-reason", "they agree again")
    page.click("#kill-dialog .primary")
    page.wait_for_selector(".band-halt", state="detached")
    assert page.url.endswith("/orders/")
    assert Control.objects.get().state == "active"
    assert complaints == []


def test_bot_when_stopped_asks_first_and_then_stops(open_desk, complaints):
    page = open_desk()
    page.click("#panel-bots button:has-text('Stop')")
    assert "Stop bot follow on account test (paper)?" in page.inner_text("dialog[open]")
    page.click("dialog[open] .danger")
    page.wait_for_selector("#panel-bots .s-stopped")
    assert complaints == []


def test_bot_when_checked_on_its_page_shows_the_proof(open_desk, complaints):
    page = open_desk("/bots/")
    page.click("#panel-bot-list a.sym")
    page.wait_for_url("**/bots/follow/")
    assert "Never checked." in page.inner_text("#panel-bot-proofs")
    page.click("#panel-bot-facts button:has-text('Pause')")
    page.wait_for_selector("#panel-bot-facts .s-paused")
    page.click("#panel-bot-facts button:has-text('Stop')")
    page.click("dialog[open] .danger")
    page.wait_for_selector("#panel-bot-facts .s-stopped")
    page.click("#panel-bot-facts button:has-text('Check')")
    page.wait_for_selector("#panel-bot-proofs .ok", timeout=60_000)
    assert "Bot follow passed its check." in page.inner_text(".toasts")
    assert "passed" in page.inner_text("#panel-bot-facts")
    assert complaints == []


def test_bot_when_made_on_the_page_is_a_draft(open_desk, complaints):
    page = open_desk("/bots/")
    page.click(".new-bot summary")
    page.fill(".new-bot [name=name]", "slow")
    page.select_option(".new-bot [name=strategy]", "sma_crossover")
    page.fill(".new-bot [name=parameters]", "fast=10 slow=30")
    page.check(".new-bot [name=instruments] >> nth=0")
    page.click(".new-bot button")
    page.wait_for_selector("#panel-bot-list .stage-draft")
    page.goto(page.url + "slow/")
    text = page.inner_text("#panel-bot-facts")
    assert "sma_crossover" in text
    assert "2 to 200" in text
    assert complaints == []


PAGES = (
    *("/", "/positions/", "/orders/", "/signals/", "/signals/?show=holds", "/weights/"),
    *("/bots/", "/bots/follow/"),
    "/data/?state=any",
)


def test_every_page_when_any_width_fits_without_sideways_scrolling(
    web, open_desk, walk_to, complaints
):
    walk_to(Stream.objects.get(), _account(), datetime(2005, 3, 1, tzinfo=UTC))
    for width, scheme in ((390, "light"), (390, "dark"), (1280, "light"), (2560, "dark")):
        page = open_desk(viewport={"width": width, "height": 900}, color_scheme=scheme)
        for path in PAGES:
            page.goto(web.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path
            assert page.is_visible(".mode"), path
            assert page.is_visible(".kill"), path
            assert width > 390 or _small_targets(page) == [], path
    assert complaints == []


def test_page_when_script_is_off_is_complete(open_desk, walk_to):
    walk_to(Stream.objects.get(), _account(), datetime(2005, 3, 1, tzinfo=UTC))
    page = open_desk(java_script_enabled=False)
    assert page.is_visible("#panel-equity svg .line")
    assert page.is_visible("#panel-market tbody tr >> nth=0")


def test_theme_when_chosen_stays_after_reload(open_desk, complaints):
    page = open_desk(color_scheme="light")
    page.click(".menu summary")
    page.click("[data-to=dark]")
    page.reload()
    assert page.get_attribute("html", "data-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(12, 15, 20)"
    assert complaints == []


def test_refresh_when_a_row_has_focus_keeps_it_and_the_open_table(open_desk, walk_to):
    walk_to(Stream.objects.get(), _account(), datetime(2005, 3, 1, tzinfo=UTC))
    page = open_desk()
    page.wait_for_selector(".clock-live.is-live")
    page.click("#panel-equity summary")
    page.focus("#panel-orders .more")
    page.evaluate("document.querySelectorAll('.panel > *').forEach((one) => { one.old = true; })")
    walk_to(Stream.objects.get(), _account(), datetime(2005, 3, 10, tzinfo=UTC))
    for name in ("orders", "equity"):
        is_new = f"!document.querySelector('#panel-{name} > *').old"
        _until(lambda is_new=is_new: page.evaluate(is_new))
    assert page.evaluate("document.activeElement.matches('#panel-orders .more')")
    assert page.evaluate("document.querySelector('#panel-equity details').open")


SMALL = """() => [...document.querySelectorAll(
    'button, .button, .nav a, select, summary, .ranges a')]
  .filter((one) => one.offsetParent && one.getBoundingClientRect().height < 43.5)
  .map((one) => one.outerHTML.slice(0, 80))"""


def _small_targets(page: object) -> list[str]:
    """Return what a thumb would miss."""
    return page.evaluate(SMALL)


def _until(is_so: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for it; the page's own policy forbids what wait_for_function does."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)


def _account() -> int:
    """Return the account's key."""
    return Control.objects.get().pk
