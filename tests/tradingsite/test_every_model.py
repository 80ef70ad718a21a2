"""Every table has a route and an admin page: a new one without them fails here."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from marketdata.models import BarChunk
from tests.tradingsite.desk_rows import DeskRows
from tradingsite.api.urls import router

FLOORS = ("marketdata", "mlweights", "strategies", "risk", "execution", "tradingsite")
# Packed copies of bars are nobody's record.
MODELS = [
    model
    for floor in FLOORS
    for model in apps.get_app_config(floor).get_models()
    if model is not BarChunk
]
# A composite key has no admin page in Django; those rows are shown under their instrument.
IN_ADMIN = [one for one in MODELS if not isinstance(one._meta.pk, models.CompositePrimaryKey)]
EDITED = {"Bot", "Profile", "Provider", "ProviderSymbol", "Retention", "Stream"}
ROUTES = {
    view.queryset.model: prefix
    for prefix, view, _ in router.registry
    if getattr(view, "queryset", None) is not None
}
NAMES = {model: model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=NAMES.get)
def test_model_has_a_route_that_lists_its_rows(
    model: type[models.Model], desk: DeskRows, everybody: dict[str, User], fresh_limits: None
) -> None:
    client = APIClient()
    client.force_login(everybody["superuser"])
    # Histories are asked for by series.
    asked = {"instrument": "ACME", "timeframe": "1d"}
    key = getattr(model._meta.pk, "field_names", ())
    query = {name: value for name, value in asked.items() if name in " ".join(key)}
    answer = client.get(f"/api/v1/{ROUTES[model]}/", query)
    assert answer.status_code == 200, answer.content
    assert answer.json()["results"], f"{model.__name__}: desk_rows writes no row of it"


@pytest.mark.parametrize("model", IN_ADMIN, ids=NAMES.get)
def test_model_has_an_admin_page_for_list_search_and_row(
    model: type[models.Model], desk: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    client.force_login(everybody["superuser"])
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    listed = client.get(reverse(f"{name}_changelist"))
    searched = client.get(reverse(f"{name}_changelist"), {"q": "acme"})
    row = model._default_manager.first()
    shown = client.get(reverse(f"{name}_change", args=[row.pk]))
    assert [listed.status_code, searched.status_code, shown.status_code] == [200, 200, 200]
    page = admin.site.get_model_admin(model)
    assert page.search_fields
    assert page.list_filter


@pytest.mark.parametrize("model", IN_ADMIN, ids=NAMES.get)
def test_only_settings_are_edited_in_the_admin(
    model: type[models.Model], desk: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    client.force_login(everybody["superuser"])
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model._default_manager.first()
    added = client.get(reverse(f"{name}_add")).status_code
    changed = client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code
    deleted = client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code
    expected = [200, 200, 403] if model.__name__ in EDITED else [403, 403, 403]
    assert [added, changed, deleted] == expected


def test_bars_are_a_page_under_their_instrument(
    desk: DeskRows, everybody: dict[str, User], client: Client
) -> None:
    client.force_login(everybody["superuser"])
    address = reverse("admin:marketdata_instrument_bars", args=[desk.instrument.pk])
    page = client.get(address)
    assert page.status_code == 200
    assert [bar.close for bar in page.context["bars"]] == [10.5, 10.5, 10.25]
    older = client.get(address, {"timeframe": "1d", "before": "2005-06-02T00:00:00+00:00"})
    assert len(older.context["bars"]) == 1
    for nonsense in ({"timeframe": "7x"}, {"before": "soon"}, {"before": "2005-99-99T00:00Z"}):
        assert client.get(address, nonsense).status_code == 200
