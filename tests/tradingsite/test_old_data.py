"""What was scored or learned from bars that changed afterwards says so, and nothing else does."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from marketdata.models import DataRevision
from mlweights.models import TrainingRun
from tests.tradingsite.desk_rows import DAY, DeskRows, T, make_desk

# The score of the desk's signal was made of bars that opened in [T, T + 2 days).
ROUTES = ("signals", "scores", "training-runs")
AFTER, BEFORE = timedelta(hours=1), timedelta(hours=-1)


@pytest.fixture
def two_days(db: None) -> DeskRows:
    """Return a desk that scored at T and T + 1 day, and learned after its own revision."""
    rows = make_desk(orders=2)
    TrainingRun.objects.update(as_of=T + DAY * 2, created_at=timezone.now())
    return rows


def revise(
    rows: DeskRows, first: int, last: int, *, later: timedelta = AFTER, **other: object
) -> DataRevision:
    """Record a correction of the bars opened from T + first to T + last days."""
    series = {"instrument": rows.instrument, "timeframe": "1d", **other}
    return DataRevision.objects.create(
        **series,
        kind="corrected",
        first_opened_at=T + DAY * first,
        last_opened_at=T + DAY * last,
        bars=last - first + 1,
        known_from=T,
        created_at=timezone.now() + later,
    )


def counts(client: APIClient, *, old: bool) -> list[int]:
    query = {"on_old_data": str(old).lower()}
    return [len(client.get(f"/api/v1/{one}/", query).json()["results"]) for one in ROUTES]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0, 0, [1, 1, 1]),  # only the score of T + 1 saw the bar of T
        (-5, -1, [0, 0, 1]),  # before the score's first bar, but the run learned from all
        (1, 1, [0, 0, 1]),  # opened when the last score was made
        (2, 9, [0, 0, 0]),
        (-5, 9, [2, 2, 1]),
    ],
)
def test_rows_when_their_bars_changed_later_are_found(
    first: int, last: int, expected: list[int], two_days: DeskRows, viewer: APIClient
) -> None:
    revise(two_days, first, last)
    assert counts(viewer, old=True) == expected
    assert counts(viewer, old=False) == [2 - expected[0], 2 - expected[1], 1 - expected[2]]


def test_rows_when_the_change_came_first_or_elsewhere_are_not(
    two_days: DeskRows, viewer: APIClient
) -> None:
    revise(two_days, -5, 9, later=BEFORE)
    revise(two_days, -5, 9, timeframe="1h")
    revise(two_days, -5, 9, instrument=make_desk("OTHER").instrument)
    found = viewer.get("/api/v1/signals/", {"on_old_data": "true", "instrument": "ACME"}).json()
    assert found["results"] == []


def test_why_when_the_data_changed_names_the_revision(
    two_days: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    revision = revise(two_days, 0, 0)
    order = two_days.order.pk + 1
    client.force_login(everybody["superuser"])
    chain = client.get(f"/api/v1/orders/{order}/why/").json()
    change = {
        "revision": revision.pk,
        "kind": "corrected",
        "bars": 1,
        "first_opened_at": "2005-06-01T00:00:00Z",
        "last_opened_at": "2005-06-01T00:00:00Z",
    }
    for part in ("score", "training"):
        [told] = chain[part]["changed_later"]
        assert {name: told[name] for name in change} == change
    page = client.get(reverse("order-why", args=[order])).content.decode()
    assert "The data under this score was changed later." in page
    assert f"revision {revision.pk}</a>" in page
    untouched = client.get(reverse("order-why", args=[two_days.order.pk])).content.decode()
    assert "The data under this score" not in untouched


def test_admin_when_the_data_changed_filters_and_links(
    two_days: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    revision = revise(two_days, 0, 0)
    client.force_login(everybody["superuser"])
    for name in ("strategies_signal", "mlweights_score", "mlweights_trainingrun"):
        listed = client.get(reverse(f"admin:{name}_changelist"), {"on_old_data": "yes"})
        [row] = listed.context["cl"].result_list
        shown = client.get(reverse(f"admin:{name}_change", args=[row.pk])).content.decode()
        assert reverse("admin:marketdata_datarevision_change", args=[revision.pk]) in shown
