"""Fixtures of the money floor: a desk of hand-made bars, and a venue that can be made to fail."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from execution.brokers.registry import BROKERS, load_brokers
from execution.models import Book
from tests.execution.small_desk import SmallDesk, make_small_desk
from tradingsite.invariants import violations

PRICES = {"ACME": [100.0, 101.0, 102.0, 103.0, 104.0, 105.0], "BOLT": [50.0] * 6}


@pytest.fixture
def small_desk(transactional_db: None) -> Iterator[SmallDesk]:
    """Return a desk on two instruments; afterwards no invariant may be broken."""
    desk = make_small_desk(PRICES)
    desk.seal(6)
    yield desk
    assert Book.objects.exists()
    assert violations() == []


@pytest.fixture
def wrap_venue(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Any]], type[Any]]:
    """Return a function that puts a class around the registered paper venue."""

    def wrap(wrapper: type[Any]) -> type[Any]:
        real = load_brokers().get("paper")
        monkeypatch.setitem(
            BROKERS._plugins, "paper", lambda told, journal: wrapper(real(told, journal))
        )
        return wrapper

    return wrap
