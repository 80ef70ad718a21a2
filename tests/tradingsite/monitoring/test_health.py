"""/healthz: honest about every part, quick and quiet whatever has stopped."""

import time
from collections.abc import Iterator

import pytest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client

from execution.models import Book
from marketdata.models import Provider, Seal, Stream
from marketdata.models.wall_time import ClockTimestamp
from tests.tradingsite.desk_rows import DAY, T, make_desk
from tradingsite import env
from tradingsite.monitoring import health, heartbeats
from tradingsite.monitoring.health import Component, SingleFlight, check_health

PROCESSES = ("beat", "trading@here", "learning@here")


@pytest.fixture
def signs_of_life() -> Iterator[None]:
    """Let beat and the workers have spoken just now."""
    with heartbeats.redis_client() as redis:
        for name in PROCESSES:
            redis.set(heartbeats.PREFIX + name, "1", ex=heartbeats.LASTS_SECONDS)
        yield
        redis.delete(*(heartbeats.PREFIX + name for name in PROCESSES))


@pytest.fixture
def living_desk(transactional_db: None, signs_of_life: None) -> None:
    """Return with a desk whose feed and walk are at work; the probe reads what is committed."""
    make_desk()
    Stream.objects.update(heartbeat_at=ClockTimestamp())


def by_name() -> dict[str, Component]:
    """Return the components by name."""
    return {component.name: component for component in check_health().components}


def test_health_when_all_works_is_200(living_desk: None, client: Client) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200, answer.content
    assert set(answer.json()["components"]) == {
        *("database", "redis", "beat", "worker trading", "worker learning"),
        *("feed stream-ACME", "walk account-ACME"),
    }
    assert answer["Cache-Control"] == "no-store"


def test_health_when_a_worker_is_silent_is_503_and_names_it(
    living_desk: None, client: Client
) -> None:
    with heartbeats.redis_client() as redis:
        redis.delete(heartbeats.PREFIX + "trading@here")
    answer = client.get("/healthz")
    bad = {name for name, one in answer.json()["components"].items() if not one["ok"]}
    assert (answer.status_code, bad) == (503, {"worker trading"})


def test_feed_when_silent_too_long_is_not_ok(living_desk: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE marketdata_stream SET heartbeat_at = clock_timestamp() - interval '31 s'"
        )
    assert by_name()["feed stream-ACME"].why == "silent for 31 s"
    Stream.objects.update(is_finished=True)
    assert by_name()["feed stream-ACME"].ok
    Stream.objects.update(is_finished=False, heartbeat_at=None)
    assert by_name()["feed stream-ACME"].why == "has not begun"


def test_feed_when_its_stream_is_mute_is_starved_and_the_desk_ready(
    living_desk: None, client: Client
) -> None:
    bridge = Provider.objects.create(
        name="bridge", feed="files", state="mute", reason="ws://inside"
    )
    away = Provider.objects.create(name="away", feed="files", is_enabled=False, state="down")
    stream = Stream.objects.get()
    stream.providers.set([bridge, away])
    Stream.objects.update(kind="live", is_mute=True)
    assert feed_said() == (True, True, "no data yet; bridge is mute")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE marketdata_stream SET data_at = clock_timestamp() - interval '12 s'")
    assert feed_said() == (True, True, "no data for 12 s; bridge is mute")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert answer.json()["components"]["feed stream-ACME"]["is_starved"]
    assert b"inside" not in answer.content  # anybody may ask
    text = render_to_string("panels/health.html", {"data": {"health": check_health()}})
    assert "no data for 12 s; bridge is mute</span>" in text
    assert 'feed stream-ACME<span class="sr"> is well' not in text
    assert "all parts answer, data is missing" in text
    Stream.objects.update(is_mute=False)
    bridge.state, bridge.reason = "down", ""
    bridge.save()
    assert feed_said() == (True, True, "bridge is down")
    bridge.state = "connected"
    bridge.save()
    assert feed_said() == (True, False, "")


def test_feed_when_a_mute_stream_does_not_run_is_not_ok(living_desk: None) -> None:
    Stream.objects.update(kind="live", is_mute=True, heartbeat_at=None)
    assert feed_said() == (False, False, "has not begun")


def test_feed_when_it_replays_has_no_provider_to_miss(living_desk: None) -> None:
    down = Provider.objects.create(name="bridge", feed="files", state="down", reason="gone")
    Stream.objects.get().providers.set([down])
    assert feed_said() == (True, False, "")


def feed_said() -> tuple[bool, bool, str]:
    found = by_name()["feed stream-ACME"]
    return found.ok, found.is_starved, found.why


def test_walk_when_behind_and_still_is_not_ok(living_desk: None) -> None:
    Seal.objects.create(stream=Stream.objects.get(), closed_at=T + DAY, bars=1, lag_ms=0)
    assert by_name()["walk account-ACME"].ok  # it moved just now
    with connection.cursor() as cursor:
        cursor.execute("UPDATE execution_book SET moved_at = clock_timestamp() - interval '60 s'")
    assert not by_name()["walk account-ACME"].ok
    Book.objects.update(decided_to=T + DAY)
    assert by_name()["walk account-ACME"].ok


def test_health_when_redis_is_down_is_503_quick_and_quiet(
    living_desk: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "redis_url", lambda: "redis://127.0.0.1:1/0")
    begun = time.monotonic()
    answer = client.get("/healthz")
    assert time.monotonic() - begun < 1.0
    assert answer.status_code == 503
    components = answer.json()["components"]
    assert components["redis"] == {
        "ok": False,
        "why": "does not answer",
        "age_seconds": None,
        "is_starved": False,
    }
    assert components["beat"]["why"] == "unknown while redis is away"
    assert components["database"]["ok"]
    assert b"Traceback" not in answer.content


def test_health_when_the_desk_was_never_set_up_says_what_to_do(
    transactional_db: None, signs_of_life: None
) -> None:
    assert by_name()["feed"].why == "no stream yet; manage.py bootstrap makes one"


def test_probe_when_frozen_is_reported_in_time_and_not_started_twice() -> None:
    calls = []

    def frozen() -> tuple[Component, ...]:
        calls.append(1)
        time.sleep(0.5)
        return (Component("database", ok=True),)

    silent = Component("database", ok=False, why="does not answer")
    flight = SingleFlight(frozen, silent)
    assert flight.result_within(0.05) == (silent,)
    assert flight.result_within(0.05) == (silent,)
    assert flight.result_within(2.0) == (Component("database", ok=True),)
    assert len(calls) == 1


def test_health_when_the_table_is_missing_says_not_migrated(
    living_desk: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FEEDS", "SELECT %s FROM no_such_table")
    assert by_name()["database"] == Component("database", ok=False, why="not migrated")


def test_sign_of_life_when_redis_is_down_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env, "redis_url", lambda: "redis://127.0.0.1:1/0")
    heartbeats.say_alive("nobody")


def test_sign_of_life_when_said_is_seen_with_its_age() -> None:
    heartbeats.say_alive("somebody@here")
    with heartbeats.redis_client() as redis:
        assert 0 <= heartbeats.ages(redis)["somebody@here"] < 5
        redis.delete(heartbeats.PREFIX + "somebody@here")
