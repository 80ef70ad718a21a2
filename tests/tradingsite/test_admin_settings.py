"""Streams and provider symbols are set in the admin; what a feed writes is not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from marketdata.models import Instrument, Provider, ProviderSymbol, Retention, Stream
from tests.tradingsite.desk_rows import DeskRows
from tradingsite.models import Audit

ADD = "/admin/marketdata/stream/add/"


@pytest.fixture
def root(desk: DeskRows, everybody: dict[str, User], client: Client) -> Client:
    """Return a client who may change settings."""
    client.force_login(everybody["superuser"])
    return client


def live(**more: Any) -> dict[str, Any]:
    """Return the form of a live stream."""
    return {
        "name": "crypto",
        "kind": "live",
        "feed": "websocket",
        "timeframes": ["1m", "1h"],
        "instruments": str(Instrument.objects.get(symbol="ACME").pk),
        "providers": [Provider.objects.get().pk],
        "grace_seconds": "2.5",
        "keep_ticks": "on",
        "pace_seconds": "10",
        "sealed_to_0": "2026-01-02",
        "sealed_to_1": "03:04:05",
        **more,
    }


def test_live_stream_when_made_and_edited_is_stored_and_audited(root: Client) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    offered = root.get(ADD).context["adminform"].form
    assert offered["sealed_to"].value() >= began
    assert root.post(ADD, live()).status_code == 302
    stream = Stream.objects.get(name="crypto")
    assert (stream.kind, stream.timeframes, stream.keep_ticks) == ("live", ["1m", "1h"], True)
    assert stream.sealed_to == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert [str(one) for one in stream.instruments.all()] == ["SIM:ACME"]
    assert [one.name for one in stream.providers.all()] == ["someone"]

    address = reverse("admin:marketdata_stream_change", args=[stream.pk])
    page = root.get(address).content.decode()
    assert "SIM:ACME" in page
    assert 'name="sealed_to_0"' not in page
    other = Instrument.objects.create(venue="SIM", symbol="TWO", tick_size=1, lot_size=1)
    both = f"{stream.instruments.get().pk},{other.pk}"
    forged = {"is_finished": "on", "tick_cursor": "9-9", "is_mute": "on"}
    changed = live(instruments=both, grace_seconds="4", sealed_to_0="2020-01-01", **forged)
    assert root.post(address, changed).status_code == 302
    stored = Stream.objects.get(name="crypto")
    assert (stored.grace_seconds, stored.instruments.count()) == (4.0, 2)
    assert stored.sealed_to == stream.sealed_to
    assert (stored.is_finished, stored.tick_cursor, stored.is_mute) == (False, "", False)
    made, edited = Audit.objects.filter(action="setting_changed").order_by("seq")
    assert (made.actor, made.subject) == ("root", "stream crypto")
    assert (
        '"detail":{"grace_seconds":{"from":2.5,"to":4.0},'
        '"instruments":{"added":["SIM:TWO"],"removed":[]}}' in edited.body
    )


def test_stream_when_edited_while_its_feed_seals_keeps_the_newer_seal(root: Client) -> None:
    """The form was read before the seal rose; saving it must not turn the desk's time back."""
    root.post(ADD, live())
    stream = Stream.objects.get(name="crypto")
    later = stream.sealed_to + timedelta(minutes=1)
    page = root.get(reverse("admin:marketdata_stream_change", args=[stream.pk]))
    form = type(page.context["adminform"].form)(live(grace_seconds="9"), instance=stream)
    assert form.is_valid(), form.errors
    Stream.objects.filter(pk=stream.pk).update(sealed_to=later, tick_cursor="5-1")
    request = page.wsgi_request
    page.context["adminform"].model_admin.save_model(request, form.instance, form, change=True)
    stored = Stream.objects.get(pk=stream.pk)
    assert (stored.grace_seconds, stored.sealed_to, stored.tick_cursor) == (9.0, later, "5-1")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"feed": "a dream"}, {"feed": "unknown feed 'a dream'; known: "}),
        ({"timeframes": []}, {"timeframes": "a stream needs at least one timeframe"}),
        ({"timeframes": ["7x"]}, {"timeframes": "Select a valid choice. 7x is not one"}),
        ({"instruments": ""}, {"instruments": "a live stream needs at least one instrument"}),
        ({"providers": []}, {"providers": "a live stream needs at least one provider"}),
        ({"kind": "replay"}, {"kind": "a stream with providers is live"}),
        ({"grace_seconds": "-1"}, {"grace_seconds": "between 0 and 86,400 seconds"}),
        ({"sealed_to_0": "2999-01-01"}, {"sealed_to": "sealed_to lies in the future"}),
    ],
)
def test_stream_when_it_cannot_work_is_refused_in_one_line(
    wrong: dict[str, Any], said: dict[str, str], root: Client
) -> None:
    answer = root.post(ADD, live(**wrong))
    errors = answer.context["adminform"].form.errors
    assert {name: len(lines) for name, lines in errors.items()} == dict.fromkeys(said, 1)
    [(name, begins)] = said.items()
    assert errors[name][0].startswith(begins)
    assert not Stream.objects.filter(name="crypto").exists()


def test_provider_symbol_when_added_is_stored_and_a_second_is_refused(root: Client) -> None:
    ProviderSymbol.objects.all().delete()
    ids = {"provider": Provider.objects.get().pk, "instrument": Instrument.objects.get().pk}
    address = reverse("admin:marketdata_providersymbol_add")
    assert root.post(address, {**ids, "symbol": "ACMEUSD"}).status_code == 302
    assert ProviderSymbol.objects.get().symbol == "ACMEUSD"
    assert Audit.objects.filter(action="setting_changed").count() == 1
    assert root.post(address, {**ids, "symbol": "OTHER"}).status_code == 200


@pytest.mark.parametrize("model", ["stream", "providersymbol"])
def test_settings_when_staff_without_the_right_are_looked_at_only(
    model: str, desk: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    User.objects.filter(username="viewer").update(is_staff=True)
    client.force_login(User.objects.get(username="viewer"))
    assert client.get(f"/admin/marketdata/{model}/").status_code == 200
    assert client.get(f"/admin/marketdata/{model}/add/").status_code == 403


def test_retention_when_changed_is_stored_and_audited(root: Client) -> None:
    address = reverse("admin:marketdata_retention_change", args=[Retention.objects.get().pk])
    body = {"table": "marketdata_tick", "keep_days": "7"}
    assert root.post(address, body).status_code == 302
    assert Retention.objects.get().keep_days == 7
    assert '"keep_days":{"from":30,"to":7}' in Audit.objects.get(action="setting_changed").body


def test_provider_when_changed_keeps_the_state_it_reported(root: Client) -> None:
    row = Provider.objects.get()
    Provider.objects.update(state="connected")
    address = reverse("admin:marketdata_provider_change", args=[row.pk])
    body = {"name": row.name, "feed": row.feed, "priority": "5", "is_enabled": "on"}
    more = {"options": "{}", "burst": "1", "mute_after_seconds": "10"}
    assert root.post(address, body | more).status_code == 302
    row.refresh_from_db()
    assert (row.priority, row.state) == (5, "connected")
