"""The schema and the page that shows it: signed in, without the internet, under the strict CSP."""

import shutil
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from playwright.sync_api import sync_playwright
from rest_framework.test import APIClient

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def test_schema_when_generated_has_no_warning(tmp_path: Any) -> None:
    call_command("spectacular", file=str(tmp_path / "schema.yml"), validate=True, fail_on_warn=True)


@pytest.mark.parametrize("address", ["/api/schema/", "/api/docs/", "/api/docs/?script="])
def test_schema_and_page_need_signing_in(address: str, viewer: APIClient) -> None:
    assert APIClient().get(address).status_code == 401
    assert viewer.get(address).status_code == 200


def test_page_when_served_keeps_scripts_to_our_own_files(viewer: APIClient) -> None:
    page = viewer.get("/api/docs/")
    policy = page["Content-Security-Policy"]
    assert "script-src 'self';" in policy + ";"
    assert b"<script>" not in page.content
    assert b"https://" not in page.content


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_page_when_opened_lists_the_addresses(live_server: Any) -> None:
    client = APIClient()
    client.force_login(User.objects.create_superuser("root", password="let-me-in-1"))
    cookie = client.cookies["sessionid"].value
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(f"{live_server.url}/api/docs/")
        page.wait_for_selector("text=/api/v1/orders/", timeout=30_000)
        assert page.locator(".opblock").count() > 40
        browser.close()
    assert complaints == []
