"""Each query of invariants.sql finds the one violation planted for it, and nothing on a true desk.

Constraints and triggers forbid most of these rows, so they are taken away first, inside the
test's own transaction: the queries must hold where the guards have failed.
"""

from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from tests.execution.small_desk import IN, OUT, make_small_desk
from tradingsite.invariants import invariants, violations

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

NAMES = [one.name for one in invariants()]
Seed = Callable[[], None]
SEEDS: dict[str, Seed] = {}

ORDER = "execution_order"


def run(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def copy(table: str, changes: str, where: str = "true") -> None:
    """Write a row again with other values in some columns."""
    run(
        f"INSERT INTO {table} SELECT (jsonb_populate_record(t, %s::jsonb)).* FROM {table} t"
        f" WHERE {where} ORDER BY 1 LIMIT 1",
        changes,
    )


def seed(name: str) -> Callable[[Seed], Seed]:
    def keep(plant: Seed) -> Seed:
        SEEDS[name] = plant
        return plant

    return keep


def planted(name: str, statement: str) -> None:
    """Plant by one statement; FIRST stands for the oldest order."""
    SEEDS[name] = lambda: run(statement.replace("FIRST", "(SELECT min(id) FROM execution_order)"))


planted("order_numbers", f"UPDATE {ORDER} SET filled_quantity = quantity + 1 WHERE id = FIRST")
planted("totals_equal_fills", "DELETE FROM execution_fill WHERE order_id = FIRST")
planted(
    "ledger_balanced",
    "UPDATE execution_ledgerentry SET amount = amount + 1"
    " WHERE id = (SELECT min(id) FROM execution_ledgerentry)",
)
planted("every_fill_booked_once", "UPDATE execution_ledgertxn SET ref = 'x' WHERE ref LIKE 'fill%'")
planted("position_is_fills_is_ledger", "UPDATE execution_position SET quantity = quantity + 1")
planted("cash_is_ledger", "UPDATE execution_book SET cash = cash + 0.00000001")
planted("nothing_reserved_when_done", f"UPDATE {ORDER} SET reserved = 1 WHERE state = 'filled'")
planted("budget_kept", "UPDATE risk_decision SET limit_value = 1 WHERE approved")
planted("approved_before_made", "UPDATE risk_decision SET approved = false")
planted(
    "nothing_sent_during_halt",
    "INSERT INTO risk_halt (account_id, from_at, actor, reason)"
    " SELECT account_id, '2000-01-01', 'x', 'x' FROM execution_book",
)
planted("only_allowed_edges", "UPDATE execution_orderevent SET to_state = 'ready' WHERE seq = 3")
planted("unbroken_history", "DELETE FROM execution_orderevent WHERE seq = 2")
planted(
    "state_is_last_event", f"UPDATE {ORDER} SET state = 'rejected', reserved = 0 WHERE id = FIRST"
)
planted(
    "nothing_forgotten",
    f"UPDATE {ORDER} SET state = 'ready', filled_quantity = 0 WHERE id = FIRST",
)
planted(
    "nothing_stuck",
    f"UPDATE {ORDER} SET state = 'unknown', state_at = clock_timestamp() - interval '31 s'"
    " WHERE id = FIRST",
)
planted(
    "no_stale_price_approved",
    "UPDATE risk_decision SET price_age_ms = price_age_limit_ms + 1",
)
planted("audit_chain", "UPDATE tradingsite_audit SET body = body || ' ' WHERE seq = 1")
planted("bar_numbers", "UPDATE marketdata_bar SET high = 'NaN'")
planted("bar_of_an_instrument", "UPDATE marketdata_bar SET instrument_id = 9001")
planted("bar_known_behind_its_close", "UPDATE marketdata_bar SET known_at = opened_at")
planted("former_versions_kept", "UPDATE marketdata_bar SET version = 2")
planted("no_decision_before_its_seal", "DELETE FROM marketdata_seal")


@seed("one_order_per_wish")
def _() -> None:
    copy(ORDER, '{"id": 9001, "client_order_id": "POTHER"}')


@seed("one_order_per_signal")
def _() -> None:
    copy("risk_decision", '{"id": 9001}')
    copy(ORDER, '{"id": 9001, "client_order_id": "POTHER", "decision_id": 9001}')


@seed("one_fill_per_execution")
def _() -> None:
    copy("execution_fill", '{"id": 9001}')


@seed("one_bar_per_key")
def _() -> None:
    run("INSERT INTO marketdata_bar SELECT * FROM marketdata_bar LIMIT 1")


@seed("no_score_over_an_open_hole")
def _() -> None:
    run(
        "INSERT INTO mlweights_score (instrument_id, timeframe, closed_at, weight_version_id,"
        " value, raw, normalised, contributions, bars_from, bars_hash)"
        " SELECT i.id, '1d', w.valid_from + interval '9 days', w.id, 0, '{}', '{}', '{}',"
        " w.valid_from, '' FROM marketdata_instrument i, mlweights_weightversion w LIMIT 1"
    )
    run(
        "INSERT INTO marketdata_datagap (instrument_id, timeframe, first_opened_at, last_opened_at,"
        " bars, state, known_from, settled_by, attempts, last_error, found_at)"
        " SELECT instrument_id, timeframe, bars_from + interval '1 day',"
        " bars_from + interval '1 day', 1, 'open', bars_from + interval '2 days', '', 0, '',"
        " created_at - interval '1 min' FROM mlweights_score"
    )


@seed("one_active_weight_version")
def _() -> None:
    changes = '{"id": 9001, "label": "other"}'
    copy("mlweights_weightversion", changes, "active")


@seed("no_score_before_its_weights")
def _() -> None:
    run(
        "INSERT INTO mlweights_score (instrument_id, timeframe, closed_at, weight_version_id,"
        " value, raw, normalised, contributions, bars_from, bars_hash)"
        " SELECT i.id, '1d', w.valid_from - interval '1 s', w.id, 0, '{}', '{}', '{}', now(), ''"
        " FROM marketdata_instrument i, mlweights_weightversion w LIMIT 1"
    )


@pytest.fixture
def traded(transactional_db: None) -> None:
    """A desk that has bought, sold and holds something: every table of the walk has rows."""
    desk = make_small_desk({"ACME": [100.0] * 5, "BOLT": [50.0] * 5})
    desk.seal(5)
    desk.bought(1, {"ACME": IN, "BOLT": IN})
    desk.bought(2, {"ACME": OUT})
    run("UPDATE mlweights_weightversion SET valid_from = '2001-01-01'")


def unguard() -> None:
    """Take away what forbids the rows: triggers and foreign keys, then keys and checks."""
    run("SET LOCAL session_replication_role = replica")
    run("""
        DO $$ DECLARE one record; BEGIN
            FOR one IN SELECT conrelid::regclass AS tbl, conname FROM pg_constraint
                WHERE contype IN ('u', 'c', 'p', 'f') AND connamespace = 'public'::regnamespace
                AND coninhcount = 0
                ORDER BY contype IN ('u', 'p') LOOP
                EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE',
                    one.tbl, one.conname);
            END LOOP;
            FOR one IN SELECT indexrelid::regclass AS tbl FROM pg_index
                JOIN pg_class c ON c.oid = indrelid
                WHERE indisunique AND NOT c.relispartition
                AND c.relnamespace = 'public'::regnamespace LOOP
                EXECUTE format('DROP INDEX %s', one.tbl);
            END LOOP;
        END $$
    """)


def found() -> set[str]:
    names = set()
    with connection.cursor() as cursor:
        for one in invariants():
            cursor.execute(one.sql)
            if cursor.fetchall():
                names.add(one.name)
    return names


def test_invariants_when_a_query_is_new_has_a_seed():
    assert sorted(NAMES) == sorted(set(NAMES))
    assert set(SEEDS) == set(NAMES)


def test_invariants_when_the_desk_is_true_find_nothing(traded):
    assert violations() == []


@pytest.fixture
def rolled_back(traded: None) -> Iterator[None]:
    """Undo whatever the test does to rows, constraints and triggers."""
    with transaction.atomic():
        unguard()
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", NAMES)
def test_invariant_when_its_violation_is_planted_finds_it(rolled_back, name):
    assert found() == set()
    SEEDS[name]()
    assert name in found()


def test_verify_invariants_when_one_is_broken_names_it_and_exits_1(traded, capsys):
    run("UPDATE execution_book SET cash = cash + 1")
    with pytest.raises(SystemExit) as left:
        call_command("verify_invariants")
    assert left.value.code == 1
    assert "cash_is_ledger" in capsys.readouterr().out
    run("UPDATE execution_book SET cash = cash - 1")
    call_command("verify_invariants")
