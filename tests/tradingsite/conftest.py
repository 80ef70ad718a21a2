"""A desk with rows, and people to look at it."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from rest_framework.test import APIClient

from tests.tradingsite.desk_rows import DeskRows, make_desk, make_desk_tables, people


@pytest.fixture
def desk(db: None) -> DeskRows:
    """Return a desk with one row in every table."""
    make_desk_tables()
    return make_desk()


@pytest.fixture
def everybody(db: None) -> dict[str, User]:
    """Return one person per role, by role."""
    return people()


@pytest.fixture
def fresh_limits() -> Iterator[None]:
    """Begin and end with no request counted."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def viewer(everybody: dict[str, User], fresh_limits: None) -> APIClient:
    """Return a client signed in as a viewer."""
    return client_of(everybody["viewer"])


@pytest.fixture
def trader(everybody: dict[str, User], fresh_limits: None) -> APIClient:
    """Return a client signed in as a trader."""
    return client_of(everybody["trader"])


def client_of(user: User) -> APIClient:
    """Return a client signed in by session, as a page is."""
    client = APIClient()
    client.force_login(user)
    return client
