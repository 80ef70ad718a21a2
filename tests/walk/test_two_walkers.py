"""Several processes on one account, past its lock: each order once, and the calm walk's record."""

import os
import subprocess
import sys
from decimal import Decimal

import pytest
from django.db import connection

from execution.models import PaperOrder
from execution.queries import next_step
from execution.services.open_account import open_account
from marketdata.models import Bar
from marketdata.services.ingest_bars import seal_instants
from strategies.models import Bot
from tests.walk.facts import BEGIN, END, STOCKS, events_per_order, facts, forget
from tradingsite.env import CHECKOUT, with_database_name
from tradingsite.invariants import violations

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

# Every process goes past the account's lock, as the sweeper's message does for a frozen holder.
WALKER = """
import sys, django
django.setup()
from django.db import DatabaseError
from execution.queries import next_step
from execution.services.submit_orders import submit_orders
from marketdata.models import Account
from tradingsite.pipelines import trading
refused = 0
for account in map(int, sys.argv[1:]):
    print("ready", flush=True)
    sys.stdin.readline()
    while next_step(account) is not None:
        try:
            trading.walk(account, force=True)
        except DatabaseError as error:
            refused += 1
            print(type(error).__name__, error, file=sys.stderr)
            if refused > 50:
                raise
"""


def start_walker(*accounts: int) -> subprocess.Popen[str]:
    """Return a process that walks the accounts as soon as it is told."""
    name = connection.settings_dict["NAME"]
    env = {**os.environ, "DATABASE_URL": with_database_name(os.environ["DATABASE_URL"], name)}
    env.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings.test")
    argv = [sys.executable, "-c", WALKER, *map(str, accounts)]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        argv, cwd=CHECKOUT, env=env, text=True, stdin=pipe, stdout=pipe, stderr=pipe
    )


def walk_together(*accounts: int) -> None:
    """Let one process per given account (an account may come twice) walk at the same time."""
    walkers = [start_walker(account) for account in accounts]
    try:
        for walker in walkers:
            while (line := walker.stdout.readline()) != "ready\n":
                assert line, walker.stderr.read()
        for walker in walkers:
            walker.stdin.write("go\n")
            walker.stdin.flush()
        for walker in walkers:
            _, complaints = walker.communicate(timeout=90)
            assert walker.returncode == 0, complaints[-2000:]
    finally:
        for walker in walkers:
            walker.kill()


def seal_all(stream) -> None:
    bars = Bar.objects.filter(
        instrument__in=stream.instruments.all(), closed_at__gt=BEGIN, closed_at__lte=END
    )
    closes = sorted(set(bars.values_list("closed_at", flat=True)))
    seal_instants(stream_id=stream.pk, instants=[(at, 1) for at in closes])


def test_walk_when_three_processes_force_one_account_is_the_calm_walk(calm_walk, sample_desk):
    stream, account, _ = sample_desk(BEGIN, STOCKS)
    seal_all(stream)

    walk_together(account.pk, account.pk, account.pk)

    assert next_step(account.pk) is None
    assert facts() == calm_walk
    assert PaperOrder.objects.count() == len(calm_walk.orders)
    assert all(edges[0] == ("ready", "sending") for edges in events_per_order().values())
    assert violations() == []


def test_walk_when_accounts_go_in_parallel_each_is_the_calm_walk(calm_walk, sample_desk):
    stream, account, bot = sample_desk(BEGIN, STOCKS)
    other = open_account(name="other", stream=stream, cash=Decimal(1_000_000))
    twin = Bot.objects.create(
        name="twin",
        account=other,
        strategy=bot.strategy,
        timeframe="1d",
        state="running",
        stage="paper",
    )
    twin.instruments.set(bot.instruments.all())
    seal_all(stream)

    walk_together(account.pk, other.pk)

    found = facts()
    assert found.scores == calm_walk.scores  # shared: written once
    for name in ("test", "other"):
        own = [row[1:] for row in found.equity if row[0] == name]
        assert own == [row[1:] for row in calm_walk.equity]
    assert violations() == []
    forget()
