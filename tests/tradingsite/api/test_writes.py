"""Writing: bots, kill switch, tokens; each by role, each audited."""

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from risk.models import Control
from strategies.models import Bot
from tests.tradingsite.conftest import client_of
from tests.tradingsite.desk_rows import DeskRows
from tradingsite.models import Audit

STOP = "/api/v1/bots/bot-acme/stop"
START = "/api/v1/bots/bot-acme/start/"
SWITCH = "/api/v1/accounts/account-ACME/kill-switch"
ALLOWED = {
    "nobody": (403, 403, 403),
    "viewer": (403, 403, 403),
    "trader": (200, 200, 403),
    "risk manager": (200, 200, 200),
    "admin": (200, 200, 200),
    "superuser": (200, 200, 200),
}


@pytest.mark.parametrize("role", ALLOWED)
def test_write_is_open_to_its_roles(
    role: str, desk: DeskRows, everybody: dict[str, User], fresh_limits: None
) -> None:
    client = client_of(everybody[role])
    start = client.post(START)
    engage = client.post(SWITCH, {"action": "engage", "reason": "drill"}, format="json")
    release = client.post(SWITCH, {"action": "release", "reason": "over"}, format="json")
    assert (start.status_code, engage.status_code, release.status_code) == ALLOWED[role]


@pytest.mark.parametrize("address", [STOP, START, SWITCH])
def test_write_when_anonymous_is_401(address: str, desk: DeskRows, fresh_limits: None) -> None:
    answer = APIClient().post(address, {"action": "engage", "reason": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert Control.objects.get().state == "active"


def test_bot_when_started_and_stopped_says_so_and_is_audited(
    desk: DeskRows, trader: APIClient
) -> None:
    started, stopped = trader.post(START), trader.post(STOP)
    assert [started.json()["state"], stopped.json()["state"]] == ["running", "stopped"]
    assert Bot.objects.get().state == "stopped"
    rows = Audit.objects.filter(shard=0).order_by("seq").values_list("actor", "action", "subject")
    assert list(rows) == [
        ("trader", "bot_running", "bot-acme"),
        ("trader", "bot_stopped", "bot-acme"),
    ]


def test_kill_switch_when_engaged_halts_the_account(desk: DeskRows, trader: APIClient) -> None:
    answer = trader.post(SWITCH, {"action": "engage", "reason": "drill"}, format="json")
    assert (answer.json()["state"], Control.objects.get().state) == ("halted", "halted")
    assert Audit.objects.get(action="halt").actor == "trader"


@pytest.mark.parametrize(
    ("address", "body", "status", "code"),
    [
        ("/api/v1/bots/nobody/start", {}, 404, "unknown_bot"),
        ("/api/v1/accounts/nobody/kill-switch", None, 404, "unknown_account"),
        (SWITCH, {"action": "explode", "reason": "x"}, 400, "invalid"),
        (SWITCH, {"action": "engage"}, 400, "invalid"),
        (SWITCH, {"action": "engage", "reason": "x" * 201}, 400, "invalid"),
        (SWITCH, {"action": "engage", "reason": "a\0b"}, 400, "invalid"),
        (SWITCH, ["engage"], 400, "invalid"),
        ("/api/v1/bots/bot-acme/explode", {}, 404, "not_found"),
    ],
)
def test_write_when_nonsense_is_a_problem(
    address: str, body: object, status: int, code: str, desk: DeskRows, trader: APIClient
) -> None:
    sent = {"action": "engage", "reason": "x"} if body is None else body
    answer = trader.post(address, sent, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"


def test_body_when_not_json_is_a_problem(desk: DeskRows, trader: APIClient) -> None:
    broken = trader.post(SWITCH, b'{"action":', content_type="application/json")
    strange = trader.post(SWITCH, b"<x/>", content_type="application/xml")
    assert (broken.status_code, broken.json()["code"]) == (400, "parse_error")
    assert (strange.status_code, strange.json()["code"]) == (415, "unsupported_media_type")


def test_session_write_without_csrf_token_is_refused(
    desk: DeskRows, everybody: dict[str, User], fresh_limits: None
) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(everybody["trader"])
    assert client.post(STOP).status_code == 403


def test_token_when_right_opens_and_renews(
    desk: DeskRows, everybody: dict[str, User], fresh_limits: None
) -> None:
    pair = tokens("trader", "let-me-in-1")
    opened = APIClient(headers={"Authorization": f"Bearer {pair['access']}"})
    assert opened.get("/api/v1/orders/").status_code == 200
    assert opened.post(STOP).status_code == 200
    renewed = APIClient().post("/api/v1/token/refresh/", {"refresh": pair["refresh"]})
    assert set(renewed.json()) >= {"access"}


def test_token_when_forged_or_spent_is_401(
    desk: DeskRows, everybody: dict[str, User], fresh_limits: None
) -> None:
    pair = tokens("trader", "let-me-in-1")
    head, body, seal = pair["access"].split(".")
    none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0"
    forged = [f"{none}.{body}.", f"{none}.{body}.{seal}", f"{head}.{body}.x", pair["refresh"], "x"]
    for token in forged:
        client = APIClient(headers={"Authorization": f"Bearer {token}"})
        answer = client.get("/api/v1/orders/")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    everybody["trader"].delete()
    gone = APIClient(headers={"Authorization": f"Bearer {pair['access']}"})
    assert gone.get("/api/v1/orders/").status_code == 401


def test_sign_in_when_tried_too_often_is_429(
    desk: DeskRows, everybody: dict[str, User], fresh_limits: None
) -> None:
    client = APIClient()
    body = {"username": "trader", "password": "wrong"}
    answers = [client.post("/api/v1/token/", body, format="json") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].json()["code"] == "throttled"
    assert int(answers[-1]["Retry-After"]) > 0


def tokens(name: str, password: str) -> dict[str, str]:
    """Return what signing in gives."""
    body = {"username": name, "password": password}
    return APIClient().post("/api/v1/token/", body, format="json").json()
