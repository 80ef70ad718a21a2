"""Bots over the API: who may, what comes back, what is refused."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from strategies.models import Bot, BotProof
from strategies.queries import present_fingerprint
from tests.tradingsite.conftest import client_of
from tests.tradingsite.desk_rows import DeskRows

WISH: dict[str, Any] = {
    "name": "slow",
    "account": "account-ACME",
    "strategy": "sma_crossover",
    "instruments": ["ACME"],
    "timeframe": "1d",
    "parameters": {"size_pct": 5},
    "capital": "1000",
}
BOT = "/api/v1/bots/slow/"


@pytest.mark.parametrize(
    ("role", "made", "changed", "started"),
    [
        ("viewer", 403, 403, 403),
        ("trader", 201, 200, 409),  # a draft does not start
        ("superuser", 201, 200, 409),
    ],
)
def test_bot_is_made_changed_and_started_by_traders(
    role: str,
    made: int,
    changed: int,
    started: int,
    desk: DeskRows,
    everybody: dict[str, User],
    fresh_limits: None,
) -> None:
    client = client_of(everybody[role])
    answers = [
        client.post("/api/v1/bots/", WISH, format="json"),
        client.patch(BOT, {"capital": None}, format="json"),
        client.post(f"{BOT}start"),
    ]
    assert [answer.status_code for answer in answers] == [made, changed, started]
    assert APIClient().post("/api/v1/bots/", WISH, format="json").status_code == 401


def test_bot_when_made_is_a_draft_and_changes_keep_the_rest(
    desk: DeskRows, trader: APIClient
) -> None:
    made = trader.post("/api/v1/bots/", WISH, format="json").json()
    shown = {name: made[name] for name in ("stage", "state", "capital", "instruments")}
    assert shown == {
        "stage": "draft",
        "state": "stopped",
        "capital": "1000",
        "instruments": ["SIM:ACME"],
    }
    changed = trader.patch(BOT, {"parameters": {"size_pct": 7}}, format="json").json()
    assert (changed["parameters"], changed["capital"]) == ({"size_pct": 7}, "1000")
    assert trader.get(BOT).json() == changed


def test_bot_when_proven_is_promoted_and_works(desk: DeskRows, trader: APIClient) -> None:
    trader.post("/api/v1/bots/", WISH, format="json")
    refused = trader.post(f"{BOT}promote/")
    assert (refused.status_code, refused.json()["code"]) == (409, "bot_proof_conflict")
    short = trader.post(f"{BOT}check")
    assert (short.status_code, short.json()["code"]) == (400, "too_few_bars")
    bot = Bot.objects.get(name="slow")
    BotProof.objects.create(
        bot=bot, fingerprint=present_fingerprint(bot), passed=True, bars=9, cuts=9
    )
    assert trader.post(f"{BOT}promote/").json()["stage"] == "paper"
    again = trader.post(f"{BOT}promote/")
    assert (again.status_code, again.json()["code"]) == (409, "live_conflict")
    states = [trader.post(f"{BOT}{verb}/").json()["state"] for verb in ("start", "pause", "stop")]
    assert states == ["running", "paused", "stopped"]
    proofs = trader.get("/api/v1/bot-proofs/", {"bot": "slow", "passed": "true"}).json()
    assert [one["bars"] for one in proofs["results"]] == [9]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"account": "nobody"}, 404, "unknown_account"),
        ({"strategy": "nonsense"}, 404, "unknown_plugin"),
        ({"instruments": ["NOPE"]}, 404, "unknown_instrument"),
        ({"instruments": []}, 400, "invalid"),
        ({"instruments": "ACME"}, 400, "invalid"),
        ({"timeframe": "1m"}, 400, "bad_bot"),
        ({"parameters": {"size_pct": 1000}}, 400, "bad_bot_parameters"),
        ({"parameters": [1]}, 400, "invalid"),
        ({"capital": "much"}, 400, "invalid"),
        ({"capital": "-1"}, 400, "bad_bot"),
        ({"name": "a b"}, 400, "bad_bot"),
        ({"name": "bot-acme"}, 409, "bot_name_conflict"),
        ({"name": "a\0b"}, 400, "invalid"),
    ],
)
def test_bot_when_the_wish_is_nonsense_is_a_problem(
    changes: dict[str, Any], status: int, code: str, desk: DeskRows, trader: APIClient
) -> None:
    answer = trader.post("/api/v1/bots/", WISH | changes, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()
    assert not Bot.objects.filter(name="slow").exists()


def test_instrument_when_still_held_cannot_be_taken_away(desk: DeskRows, trader: APIClient) -> None:
    address = f"/api/v1/bots/{desk.bot.name}/"
    other = type(desk.instrument).objects.create(
        venue="SIM", symbol="ELSE", tick_size="0.01", lot_size=1
    )
    desk.account.stream.instruments.add(other)
    answer = trader.patch(address, {"instruments": ["ELSE"]}, format="json")
    assert answer.status_code == 400
    assert "still holds SIM:ACME" in answer.json()["detail"]


def test_correlation_when_asked_names_its_bots(desk: DeskRows, viewer: APIClient) -> None:
    found = viewer.get("/api/v1/bot-correlation/", {"account": "account-ACME"})
    assert (found.status_code, found.json()["pairs"]) == (200, [])
    nobodys = viewer.get("/api/v1/bot-correlation/")
    assert (nobodys.status_code, nobodys.json()["detail"]) == (400, "say ?account=NAME")


@pytest.mark.parametrize(
    ("changes", "field", "instead"),
    [
        ({"stage": "live", "capital": None}, "stage", "/promote/"),
        ({"state": "running"}, "state", "/start/"),
        ({"strategy": "scalping"}, "strategy", "for life"),
        ({"sizes": 5}, "sizes", "known: instruments, timeframe, parameters, capital"),
    ],
)
def test_bot_when_a_field_cannot_be_changed_is_a_problem_that_names_it(
    changes: dict[str, Any], field: str, instead: str, desk: DeskRows, trader: APIClient
) -> None:
    before = trader.get(f"/api/v1/bots/{desk.bot.name}/").json()
    answer = trader.patch(f"/api/v1/bots/{desk.bot.name}/", changes, format="json")
    body = answer.json()
    assert (answer.status_code, body["code"], list(body["errors"])) == (400, "invalid", [field])
    assert instead in body["errors"][field][0]
    assert trader.get(f"/api/v1/bots/{desk.bot.name}/").json() == before
    assert (
        "state"
        in trader.post("/api/v1/bots/", WISH | {"state": "running"}, format="json").json()["errors"]
    )
