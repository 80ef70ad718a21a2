"""Reading: who may, what is filtered, how pages follow each other, how many queries it costs."""

import json

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.urls.resolvers import URLPattern, URLResolver
from rest_framework.test import APIClient

from tests.tradingsite.desk_rows import DeskRows, make_desk
from tradingsite.api.urls import router

LISTS = sorted(prefix for prefix, _, _ in router.registry)
ADMIN_ONLY = {"idempotency-keys"}
# Histories are asked for by series, and their rows have no address of their own.
TICKS = ("ticks", "quotes", "depth-levels", "book-messages", "option-quotes", "open-interest")
NEEDED = {
    **{route: {"instrument": "ACME"} for route in TICKS},
    **{route: {"instrument": "ACME", "timeframe": "1d"} for route in ("bars", "quote-bars")},
    "option-chain": {"underlying": "ACME", "expiry": "2005-07-15"},
}
# The only addresses below /api/ that answer without signing in.
OPEN = {"api-token", "api-token-refresh"}


def api_patterns() -> list[tuple[str, URLPattern]]:
    """Return (name, pattern) of every address below /api/."""
    found: list[tuple[str, URLPattern]] = []

    def walk(resolver: URLResolver, prefix: str) -> None:
        for one in resolver.url_patterns:
            route = prefix + str(one.pattern)
            if isinstance(one, URLResolver):
                walk(one, route)
            elif route.startswith("api/"):
                found.append((one.name or route, one))

    walk(get_resolver(), "")
    return found


def test_every_api_view_names_a_role_or_is_a_token() -> None:
    named = {}
    for name, pattern in api_patterns():
        view = getattr(pattern.callback, "cls", None) or pattern.callback.view_class
        named[name] = getattr(view, "required_role", None)
    assert {name for name, role in named.items() if role is None} == OPEN


@pytest.mark.parametrize("route", LISTS)
def test_list_when_anonymous_is_401_and_when_viewer_answers(
    route: str, desk: DeskRows, viewer: APIClient
) -> None:
    assert APIClient().get(f"/api/v1/{route}/").status_code == 401
    expected = 403 if route in ADMIN_ONLY else 200
    assert viewer.get(f"/api/v1/{route}/", NEEDED.get(route, {})).status_code == expected


@pytest.mark.parametrize("route", sorted(set(LISTS) - {*NEEDED, "coverage"}))
def test_detail_when_anonymous_is_401_and_when_listed_is_the_same_row(
    route: str, desk: DeskRows, everybody: dict, fresh_limits: None
) -> None:
    client = APIClient()
    client.force_login(everybody["superuser"])
    row = client.get(f"/api/v1/{route}/").json()["results"][0]
    view = next(view for prefix, view, _ in router.registry if prefix == route)
    key = "name" if view.lookup_field == "name" else next(iter(row))
    is_named = key == "account" and row[key] == desk.account.name  # a key shown by its name
    row_id = desk.account.pk if is_named else row[key]
    address = f"/api/v1/{route}/{row_id}/"
    assert APIClient().get(address).status_code == 401
    assert client.get(address).json() == row


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_lists_when_written_to_are_405(method: str, desk: DeskRows, viewer: APIClient) -> None:
    answer = getattr(viewer, method)("/api/v1/fills/", {})
    assert answer.status_code == 405
    assert answer.json()["code"] == "method_not_allowed"
    assert answer["Content-Type"] == "application/problem+json"


def test_order_when_read_shows_names_and_plain_decimals(desk: DeskRows, viewer: APIClient) -> None:
    order = viewer.get("/api/v1/orders/").json()["results"][0]
    shown = {name: order[name] for name in ("account", "instrument", "bot", "quantity", "side")}
    assert shown == {
        "account": "account-ACME",
        "instrument": "SIM:ACME",
        "bot": "bot-acme",
        "quantity": "5",
        "side": 1,
    }


@pytest.mark.parametrize(
    ("route", "query", "found"),
    [
        ("orders", {"account": "account-ACME"}, 1),
        ("orders", {"account": "nobody"}, 0),
        ("orders", {"instrument": "ACME"}, 1),
        ("orders", {"instrument": "SIM:ACME"}, 1),
        ("orders", {"bot": "bot-acme", "state": "filled"}, 1),
        ("orders", {"state": "open"}, 0),
        ("signals", {"closed_at_from": "2005-06-01T00:00:00Z"}, 1),
        ("signals", {"closed_at_from": "2005-06-02T00:00:00Z"}, 0),
        ("signals", {"closed_at_to": "2005-05-01T00:00:00Z"}, 0),
        ("bars", {"instrument": "ACME", "timeframe": "1d", "to": "2005-06-02T00:00:00Z"}, 1),
        ("bars", {"instrument": "ACME", "timeframe": "1d", "from": "2005-06-02T00:00:00Z"}, 2),
        ("bars", {"instrument": "ACME", "timeframe": "5m"}, 0),
        ("weight-versions", {"active": "true", "instrument": "ACME"}, 1),
    ],
)
def test_filter_when_given_finds(
    route: str, query: dict[str, str], found: int, desk: DeskRows, viewer: APIClient
) -> None:
    assert len(viewer.get(f"/api/v1/{route}/", query).json()["results"]) == found


@pytest.mark.parametrize("name", ["NOPE", "OTHER:ACME"])
@pytest.mark.parametrize("route", ["data-gaps", "orders", "coverage", "ticks"])
def test_list_when_the_instrument_is_unknown_is_404(
    route: str, name: str, desk: DeskRows, viewer: APIClient
) -> None:
    answer = viewer.get(f"/api/v1/{route}/", {"instrument": name})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_instrument")


@pytest.mark.parametrize(
    ("route", "query", "field"),
    [
        ("orders", {"colour": "red"}, "colour"),
        ("signals", {"closed_at_from": "yesterday"}, "closed_at_from"),
        ("signals", {"source": "a dream"}, "source"),
        ("order-events", {"order": "first"}, "order"),
        ("order-events", {"order": "NaN"}, "order"),
        ("bars", {"timeframe": "1d"}, "instrument"),
        ("bars", {"instrument": "ACME", "timeframe": "7x"}, "timeframe"),
        ("bars", {"instrument": "A\0B", "timeframe": "1d"}, "instrument"),
        ("data-gaps", {"page_size": "-1"}, "page_size"),
        ("orders", {"page_size": "0"}, "page_size"),
        ("orders", {"page_size": "many"}, "page_size"),
        ("orders", {"page_size": "1001"}, "page_size"),
        ("orders", {"state": ["open", "filled"]}, "state"),
        ("orders", {"page_size": ["1", "2"]}, "page_size"),
        ("bars", {"instrument": ["ACME", "ACME"], "timeframe": "1d"}, "instrument"),
        ("coverage", {"page": ["1", "2"]}, "page"),
    ],
)
def test_filter_when_nonsense_is_a_problem_that_names_it(
    route: str, query: dict[str, str], field: str, desk: DeskRows, viewer: APIClient
) -> None:
    answer = viewer.get(f"/api/v1/{route}/", query)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (400, "invalid", 400)
    assert field in problem["errors"]


@pytest.mark.parametrize(
    "address",
    [
        "orders/999999999/",
        "orders/99999999999999999999999999/",
        "orders/999999999/why/",
        "signals/999999999/why/",
        "scores/99999999999999999999999999/why/",
        "bots/none/",
        "nothing/",
        "orders/?cursor=nonsense",
        "orders/?cursor=cD1ub25zZW5zZQ==",
    ],
)
def test_address_when_unknown_is_a_404_problem(
    address: str, desk: DeskRows, viewer: APIClient
) -> None:
    answer = viewer.get(f"/api/v1/{address}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert set(answer.json()) == {"type", "title", "status", "code", "detail"}


def test_pages_when_followed_show_every_row_once(db: None, viewer: APIClient) -> None:
    make_desk(orders=7)
    seen, address = [], "/api/v1/orders/?page_size=3"
    while address:
        page = viewer.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]
    assert len(seen) == 7
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize("route", LISTS)
def test_queries_when_rows_grow_stay_the_same(
    route: str, everybody: dict, fresh_limits: None
) -> None:
    client = APIClient()
    client.force_login(everybody["superuser"])
    make_desk("ONE")
    few = count_queries(client, route)
    for symbol in ("TWO", "THREE", "FOUR"):
        make_desk(symbol, orders=2)
    assert count_queries(client, route) == few


def count_queries(client: APIClient, route: str) -> int:
    """Return how many queries the list costs."""
    query = {
        name: "ONE" if value == "ACME" else value for name, value in NEEDED.get(route, {}).items()
    }
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(f"/api/v1/{route}/", query).status_code == 200
    return len(queries)


def test_root_when_viewer_lists_every_route(viewer: APIClient) -> None:
    assert sorted(viewer.get("/api/v1/").json()) == LISTS


def test_idempotency_keys_when_admin_never_show_what_was_answered(
    desk: DeskRows, everybody: dict, fresh_limits: None
) -> None:
    client = APIClient()
    client.force_login(everybody["superuser"])
    answer = client.get("/api/v1/idempotency-keys/")
    assert set(answer.json()["results"][0]) == {
        *("id", "key", "status", "content_type", "created_at"),
    }
    assert b"canary" not in answer.content


def test_why_when_order_known_goes_back_to_the_training_run(
    desk: DeskRows, viewer: APIClient
) -> None:
    with CaptureQueriesContext(connection) as queries:
        chain = viewer.get(f"/api/v1/orders/{desk.order.pk}/why/").json()
    assert len([one for one in queries if "execution_" in one["sql"]]) == 3
    assert chain["order"]["client_order_id"] == desk.order.client_order_id
    assert chain["decision"]["checks"] == [
        {"rule": "kill_switch", "value": "active", "limit": "active", "reason": ""}
    ]
    assert chain["signal"]["key"] == desk.signal.key
    assert chain["score"]["contributions"] == [
        {
            "indicator": "rsi",
            "raw": 31.5,
            "normalised": 0.9,
            "weight": 0.5,
            "contribution": 0.6,
        },
        {
            "indicator": "macd",
            "raw": 0.2,
            "normalised": 0.4,
            "weight": -0.25,
            "contribution": -0.15,
        },
        {
            "indicator": "bollinger",
            "raw": None,
            "normalised": None,
            "weight": 0.25,
            "contribution": None,
        },
    ]
    assert chain["weights"]["label"] == "ridge:ACME:1"
    assert chain["training"]["measures"] == {"rank": 0.1}
    assert chain["fills"][0]["price"] == "10.01"


def test_indicators_when_listed_are_those_of_the_command(
    viewer: APIClient, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("indicators", "--list", "--json")
    told = json.loads(capsys.readouterr().out)["indicators"]
    assert viewer.get("/api/v1/indicators/").json() == told
    assert {one["is_directed"] for one in told} == {True, False}
