"""/metrics: for this machine or the token's holder, and right."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from tests.tradingsite.desk_rows import DeskRows
from tradingsite import env
from tradingsite.monitoring import metrics, tick_counts, views
from tradingsite.monitoring.heartbeats import redis_client

LANES = ("ingest", "signals", "execution", "research", "learning")


def values(client: Client) -> dict[tuple[str, ...], float]:
    """Return every sample by name and label values."""
    text = client.get("/metrics").content.decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_when_asked_tell_the_desk(desk: DeskRows, client: Client) -> None:
    with redis_client() as redis:
        redis.delete(*LANES)  # what walks of earlier tests have published
    found = values(client)
    expected = {
        ("plumbline_orders", "account-ACME", "filled"): 1,
        ("plumbline_fills_total", "account-ACME"): 1,
        ("plumbline_equity", "account-ACME", "USD"): 100_000,
        ("plumbline_drawdown_ratio", "account-ACME"): 0,
        ("plumbline_halted", "account-ACME"): 0,
        ("plumbline_undecided_instants", "account-ACME"): 0,
        ("plumbline_outbox_due",): 0,
        ("plumbline_incidents_open",): 1,
        ("plumbline_alerts_open", "feed_silent"): 1,
        ("plumbline_queue_length", "signals"): 0,
        ("plumbline_database_up",): 1,
        ("plumbline_redis_up",): 1,
        ("plumbline_publish_failures_total",): 0,
    }
    assert {key: found.get(key) for key in expected} == expected


def test_metrics_when_live_streams_counted_ticks_tell_by_reason(
    desk: DeskRows, client: Client
) -> None:
    with redis_client() as redis:
        redis.delete(f"{tick_counts.PREFIX}lab")
        tick_counts.count_ticks(redis, "lab", {"fine": 7, "late": 2})
        tick_counts.count_ticks(redis, "lab", {"fine": 1})
        found = values(client)
        redis.delete(f"{tick_counts.PREFIX}lab")
    assert found["plumbline_ticks_total", "fine", "lab"] == 8
    assert found["plumbline_ticks_total", "late", "lab"] == 2


def test_metrics_when_redis_is_down_still_tell_the_record(
    desk: DeskRows, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "redis_url", lambda: "redis://127.0.0.1:1/0")
    found = values(client)
    assert found["plumbline_redis_up",] == 0
    assert found["plumbline_fills_total", "account-ACME"] == 1


def test_metrics_when_the_record_fails_say_so(
    db: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "RECORD", (("plumbline_x", "x", (), "SELECT no_such"),))
    assert values(client)["plumbline_database_up",] == 0


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("203.0.113.9", {}, 403),
        ("203.0.113.9", {"Authorization": "Bearer wrong"}, 403),
        ("203.0.113.9", {"Authorization": "Bearer ünläsbar"}, 403),
        ("203.0.113.9", {"Authorization": "Bearer right"}, 200),
        ("not an address", {}, 403),
    ],
)
def test_metrics_are_for_loopback_or_token(
    address: str,
    headers: dict[str, str],
    status: int,
    db: None,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views, "METRICS_TOKEN", "right")
    assert client.get("/metrics", headers=headers, REMOTE_ADDR=address).status_code == status


def test_metrics_without_a_token_set_are_not_open_to_an_empty_one(db: None, client: Client) -> None:
    answer = client.get("/metrics", headers={"Authorization": ""}, REMOTE_ADDR="203.0.113.9")
    assert answer.status_code == 403


def test_metrics_cost_one_query_each(desk: DeskRows, client: Client) -> None:
    with CaptureQueriesContext(connection) as queries:
        client.get("/metrics")
    selects = [one for one in queries if one["sql"].startswith("SELECT")]
    assert len(selects) == len(metrics.RECORD)
