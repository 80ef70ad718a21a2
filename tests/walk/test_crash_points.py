"""Killed at every commit and every word to the venue, the walk ends where a calm one ends."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
from django.db import connection, transaction

from execution.models import Outbox, PaperOrder
from execution.queries import next_step
from execution.services.paper_journal import DatabaseJournal
from tests.walk.facts import BEGIN, END, STOCKS, events_per_order, facts, forget
from tradingsite.invariants import violations
from tradingsite.pipelines import trading

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "venue"]),
    pytest.mark.timeout(240),
]

VENUE_CALLS = ("accept", "cancel", "execute")


class KilledError(BaseException):
    """The process ends here. No handler of ours may catch it."""


STATE = """
SELECT b.decided_to, b.settled_to, b.execution_cursor,
    (SELECT count(*) FROM execution_orderevent), (SELECT count(*) FROM execution_paperorder),
    (SELECT count(*) FROM execution_outbox WHERE done), (SELECT count(*) FROM mlweights_score)
FROM execution_book b
"""


class Killer:
    """Kills once at every boundary, before or after it takes effect, as the seed says.

    A boundary is its place in the code and the record as it is about to become.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.is_armed = False
        self.met: set[tuple[Any, ...]] = set()
        self.kills: Counter[tuple[str, str]] = Counter()

    def around(self, site: str, effect: Callable[[], Any], undo: Callable[[], Any]) -> Any:
        """Do the effect, or `undo` it and die, or do it and die."""
        if not self.is_armed or (boundary := (site, *self._state())) in self.met:
            return effect()
        self.met.add(boundary)
        side = self.random.choice(("before", "after"))
        self.kills[site, side] += 1
        undo() if side == "before" else effect()
        raise KilledError(site)

    def _state(self) -> tuple[Any, ...]:
        with connection.cursor() as cursor:
            cursor.execute(STATE)
            return cursor.fetchone()


def commit_site(killer: Killer, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return `Atomic.__exit__` with death around every outermost commit."""

    def leave(block: Any, kind: Any, error: Any, trace: Any) -> Any:
        if kind is not None or transaction.get_connection(block.using).savepoint_ids:
            return real(block, kind, error, trace)
        return killer.around(
            "commit",
            lambda: real(block, None, None, None),
            lambda: real(block, KilledError, KilledError(), None),
        )

    return leave


def venue_site(killer: Killer, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    """Return the journal's method with death around its commit."""

    @wraps(real)
    def call(*given: Any) -> Any:
        return killer.around(name, lambda: real(*given), lambda: None)

    return call


@contextmanager
def deadly(seed: int) -> Iterator[Killer]:
    """Put the killer around every boundary of the walk."""
    killer = Killer(seed)
    with pytest.MonkeyPatch.context() as patch:
        leave = commit_site(killer, transaction.Atomic.__exit__)
        patch.setattr(transaction.Atomic, "__exit__", leave)
        for name in VENUE_CALLS:
            real = getattr(DatabaseJournal, name)
            patch.setattr(DatabaseJournal, name, venue_site(killer, name, real))
        yield killer


def walk_through_deaths(killer: Killer, account_id: int) -> None:
    """Walk until nothing is left; after each death time passes and memory may be gone."""
    while next_step(account_id) is not None:
        killer.is_armed = True
        try:
            trading.walk(account_id)
        except KilledError:
            killer.is_armed = False
            Outbox.objects.filter(done=False).update(lease_until=BEGIN)  # the lease runs out
            if killer.random.random() < 0.1:
                forget()  # a new process knows nothing
        finally:
            killer.is_armed = False


@pytest.mark.parametrize("seed", [1, 2])
def test_walk_when_killed_at_every_boundary_ends_as_a_calm_one(
    calm_walk, sample_desk, walk_to, monkeypatch, seed
):
    stream, account, _ = sample_desk(BEGIN, STOCKS)
    with deadly(seed) as killer:
        monkeypatch.setattr(
            "tests.walk.conftest.walk_until_idle",
            lambda account_id: walk_through_deaths(killer, account_id),
        )
        walk_to(stream, account.pk, END)

    assert facts() == calm_walk
    assert violations() == []
    assert len(calm_walk.fills) > 15
    assert set(killer.kills) == {
        (site, side) for site in ("commit", "accept", "execute") for side in ("before", "after")
    }
    assert sum(killer.kills.values()) > 500
    assert PaperOrder.objects.count() == len(calm_walk.orders)
    # Death while sending leaves its mark in the history, never a second order.
    edges = Counter(edge for found in events_per_order().values() for edge in found)
    assert edges["sending", "unknown"] > 0
    assert edges["unknown", "open"] > 0
