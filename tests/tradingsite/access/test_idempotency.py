"""Idempotency-Key: one effect, one answer."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import connections
from rest_framework.test import APIClient

from risk.models import Control, Halt
from tests.tradingsite.conftest import client_of
from tests.tradingsite.desk_rows import DeskRows, make_desk
from tradingsite.models import Audit, IdempotencyKey

SWITCH = "/api/v1/accounts/account-ACME/kill-switch/"
ENGAGE = {"action": "engage", "reason": "drill"}


def post(client: APIClient, key: str | None, body: dict[str, Any], address: str = SWITCH) -> Any:
    """Return the answer to a write with a key."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(address, body, format="json", headers=headers)


def halts() -> int:
    """Return how often the drill has halted the account."""
    return Halt.objects.filter(reason="drill", actor="trader").count()


def test_key_when_sent_again_gives_the_stored_answer(desk: DeskRows, trader: APIClient) -> None:
    first = post(trader, "k-1", ENGAGE)
    Control.objects.update(state="active")  # so that a second effect would show
    Halt.objects.filter(to_at=None).update(to_at="2005-01-01T00:00Z")
    again = post(trader, "k-1", ENGAGE)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert halts() == 1


def test_key_when_used_for_another_body_or_address_is_a_conflict(
    desk: DeskRows, trader: APIClient
) -> None:
    post(trader, "k-1", ENGAGE)
    others = [
        post(trader, "k-1", {**ENGAGE, "reason": "another"}),
        post(trader, "k-1", {}, "/api/v1/bots/bot-acme/stop/"),
    ]
    for answer in others:
        assert answer.status_code == 409
        assert answer.json()["code"] == "idempotency_conflict"
    assert halts() == 1


def test_key_when_of_another_person_is_another_key(
    desk: DeskRows, everybody: dict[str, User], trader: APIClient
) -> None:
    post(trader, "k-1", ENGAGE)
    other = post(client_of(everybody["admin"]), "k-1", {**ENGAGE, "action": "release"})
    assert other.status_code == 200
    assert other.json()["state"] == "active"


def test_key_when_the_token_is_renewed_is_the_same_key(
    desk: DeskRows, everybody: dict[str, User], trader: APIClient
) -> None:
    first = post(trader, "k-1", ENGAGE)
    token = APIClient().post(
        "/api/v1/token/", {"username": "trader", "password": "let-me-in-1"}, format="json"
    )
    by_token = APIClient(headers={"Authorization": f"Bearer {token.json()['access']}"})
    again = post(by_token, "k-1", ENGAGE)
    assert again["Idempotency-Replayed"] == "true"
    assert again.content == first.content


@pytest.mark.parametrize("key", ["", " ", "a b", "ä", "x" * 121, "a\tb", '"quoted"'])
def test_key_when_malformed_is_refused(desk: DeskRows, trader: APIClient, key: str) -> None:
    answer = post(trader, key, ENGAGE)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_idempotency_key")
    assert halts() == 0


def test_refusal_when_repeated_is_the_same_refusal(desk: DeskRows, trader: APIClient) -> None:
    first = post(trader, "k-1", {"action": "engage", "reason": ""})
    again = post(trader, "k-1", {"action": "engage", "reason": ""})
    assert (first.status_code, again.status_code) == (400, 400)
    assert first.content == again.content
    assert again["Content-Type"] == "application/problem+json"


def test_forbidden_answer_is_not_kept(
    desk: DeskRows, everybody: dict[str, User], viewer: APIClient
) -> None:
    assert post(viewer, "k-1", ENGAGE).status_code == 403
    everybody["viewer"].groups.add(Group.objects.get(name="trader"))
    assert post(viewer, "k-1", ENGAGE).status_code == 200


def test_server_error_is_not_kept_and_has_no_effect(
    desk: DeskRows, trader: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    trader.raise_request_exception = False

    def broken(account_id: int) -> None:
        raise RuntimeError("broken after the effect")

    with monkeypatch.context() as patch:
        patch.setattr("tradingsite.api.views.nudge", broken)
        answer = post(trader, "k-1", ENGAGE)
    assert answer.status_code == 500
    assert answer.json()["code"] == "server_error"
    assert b"broken after" not in answer.content
    assert (halts(), IdempotencyKey.objects.count()) == (0, 1)  # the one desk_rows wrote
    assert post(trader, "k-1", ENGAGE).status_code == 200
    assert halts() == 1


def test_anonymous_key_is_not_kept(desk: DeskRows, fresh_limits: None) -> None:
    assert post(APIClient(), "k-1", ENGAGE).status_code == 401
    bad = APIClient(headers={"Authorization": "Bearer nonsense"})
    assert post(bad, "k-1", ENGAGE).status_code == 401
    assert IdempotencyKey.objects.filter(key="k-1").count() == 0


def test_token_answers_are_never_kept(desk: DeskRows, trader: APIClient) -> None:
    body = {"username": "trader", "password": "let-me-in-1"}
    assert post(trader, "k-1", body, "/api/v1/token/").status_code == 200
    assert IdempotencyKey.objects.filter(key="k-1").count() == 0


def test_same_key_at_the_same_time_has_one_effect(transactional_db: None) -> None:
    cache.clear()
    make_desk()
    user = User.objects.create_user("trader", password="let-me-in-1")
    user.groups.add(Group.objects.get_or_create(name="trader")[0])
    clients = [client_of(user) for _ in range(4)]
    begun, answers = threading.Barrier(4), []

    def work(client: APIClient) -> None:
        try:
            begun.wait()
            answers.append(post(client, "k-1", ENGAGE))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 3
    assert halts() == 1
    assert Audit.objects.filter(action="halt").count() == 1
