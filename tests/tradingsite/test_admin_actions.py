"""What the admin changes, it changes through services, by role, with a trace."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from risk.models import Control, Profile
from strategies.models import Bot
from tests.tradingsite.desk_rows import DeskRows, make_desk
from tradingsite.models import Audit


def act(client: Client, model: str, action: str, row: int) -> None:
    """Choose a row and run an action on it."""
    body = {"action": action, "_selected_action": [row]}
    answer = client.post(reverse(f"admin:{model}_changelist"), body)
    assert answer.status_code == 302


def staff(everybody: dict[str, User], role: str) -> Client:
    """Return a client of somebody of that role who may enter the admin."""
    User.objects.filter(pk=everybody[role].pk).update(is_staff=True)
    client = Client()
    client.force_login(User.objects.get(pk=everybody[role].pk))
    return client


@pytest.mark.parametrize(("role", "state"), [("viewer", "stopped"), ("trader", "running")])
def test_bot_is_started_by_traders_only(
    role: str, state: str, desk: DeskRows, everybody: dict[str, User]
) -> None:
    act(staff(everybody, role), "strategies_bot", "start", desk.bot.pk)
    assert Bot.objects.get().state == state
    assert Audit.objects.filter(action="bot_running").count() == (state == "running")


@pytest.mark.parametrize(
    ("role", "after"), [("viewer", "active"), ("trader", "halted"), ("risk manager", "active")]
)
def test_kill_switch_is_engaged_by_traders_and_released_by_risk_managers(
    role: str, after: str, desk: DeskRows, everybody: dict[str, User]
) -> None:
    client = staff(everybody, role)
    act(client, "risk_control", "engage", desk.account.pk)
    act(client, "risk_control", "release", desk.account.pk)
    assert Control.objects.get().state == after


def test_refused_action_says_why(desk: DeskRows, everybody: dict[str, User]) -> None:
    Bot.objects.update(strategy="no_such_strategy")
    client = staff(everybody, "trader")
    act(client, "strategies_bot", "start", desk.bot.pk)
    page = client.get(reverse("admin:strategies_bot_changelist"))
    assert "no_such_strategy" in page.content.decode()
    assert Bot.objects.get().state == "stopped"


def test_limit_when_changed_is_stored_and_audited_with_what_it_was(
    desk: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    client.force_login(everybody["superuser"])
    profile = Profile.objects.get()
    body = {
        "name": "default",
        "position_e9": 50_000_000,
        "day_loss_e9": profile.day_loss_e9,
        "drawdown_e9": profile.drawdown_e9,
        "stale_bars": profile.stale_bars,
    }
    address = reverse("admin:risk_profile_change", args=[profile.pk])
    assert client.post(address, body).status_code == 302
    assert Profile.objects.get().position_e9 == 50_000_000
    row = Audit.objects.get(action="limits_changed")
    assert (row.actor, row.subject) == ("root", "default")
    assert '"position_e9":{"from":100000000,"to":50000000}' in row.body
    assert client.post(address, body | {"position_e9": 2_000_000_000}).status_code == 200
    assert Profile.objects.get().position_e9 == 50_000_000


def test_admin_when_not_staff_is_closed(desk: DeskRows, everybody: dict[str, User]) -> None:
    client = Client()
    client.force_login(everybody["admin"])
    assert client.get("/admin/execution/order/").status_code == 302


def test_order_page_links_back_along_the_walk(
    desk: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    client.force_login(everybody["superuser"])
    steps = [
        ("execution_order", desk.order.pk, "risk_decision", desk.decision.pk),
        ("risk_decision", desk.decision.pk, "strategies_signal", desk.signal.pk),
        ("strategies_signal", desk.signal.pk, "mlweights_score", desk.signal.score_id),
        ("mlweights_score", desk.signal.score_id, "mlweights_weightversion", desk.version.pk),
        (
            *("mlweights_weightversion", desk.version.pk),
            *("mlweights_trainingrun", desk.version.training_run_id),
        ),
    ]
    for page, row, target, target_row in steps:
        shown = client.get(reverse(f"admin:{page}_change", args=[row])).content.decode()
        assert f'href="{reverse(f"admin:{target}_change", args=[target_row])}"' in shown


@pytest.mark.parametrize("model", ["execution_order", "execution_fill", "risk_decision"])
def test_list_when_rows_grow_costs_the_same(
    model: str, everybody: dict[str, User], client: Client
) -> None:
    client.force_login(everybody["superuser"])
    address = reverse(f"admin:{model}_changelist")
    make_desk("ONE", orders=2)
    few = queries_of(client, address)
    make_desk("TWO", orders=4)
    assert queries_of(client, address) == few


def queries_of(client: Client, address: str) -> int:
    """Return how many queries the page costs."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)
