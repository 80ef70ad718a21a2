"""The list of edges, and that the database holds orders to it."""

import itertools

import pytest
from django.db import InternalError, connection, transaction

from domain.orders import STATES
from execution.models import AllowedEdge, Order
from execution.order_states import LATE_EDGES, ORDINARY_EDGES
from tests.execution.small_desk import IN

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

EDGES = {*ORDINARY_EDGES, *LATE_EDGES}


def test_edges_when_listed_are_the_rules_and_the_tables():
    words = (
        "ready>sending|canceled; sending>unknown|open|partial|filled|rejected;"
        " unknown>sending|open|partial|filled|canceled|rejected; open>partial|filled|canceled;"
        " partial>filled|canceled; rejected>unknown; canceled>partial|filled"
    )
    told = {
        (one.split(">")[0], to) for one in words.split("; ") for to in one.split(">")[1].split("|")
    }
    assert told == EDGES
    assert set(AllowedEdge.objects.values_list("from_state", "to_state")) == EDGES


def test_order_when_moved_along_any_pair_of_states_obeys_the_list(small_desk):
    small_desk.place(1, {"ACME": IN})
    for source, target in itertools.permutations(STATES, 2):
        assert may_move(source, target) == ((source, target) in EDGES), (source, target)


def may_move(source: str, target: str) -> bool:
    """Tell whether the trigger lets the order go along that edge; nothing stays changed."""
    with transaction.atomic():
        jump_to(source)
        try:
            with transaction.atomic():
                Order.objects.update(state=target)
        except InternalError as error:
            return f"{source} may not become {target}" not in str(error)
        finally:
            transaction.set_rollback(True)
    return True


def jump_to(state: str) -> None:
    """Put the order into a state without asking the trigger."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE execution_order SET state = %s", (state,))
        cursor.execute("SET LOCAL session_replication_role = origin")
