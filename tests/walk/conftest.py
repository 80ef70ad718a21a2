"""Walk fixtures: seal stored bars, walk an account to the end of them."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from execution.queries import next_step
from marketdata.models import Bar, Stream
from marketdata.services.ingest_bars import seal_instants
from marketdata.services.load_sample import load_sample
from tests.walk.facts import BEGIN, END, STOCKS, Facts, facts, forget
from tests.walk.replays import THREE, YEAR, Start, kill_group, sandboxes
from tradingsite import env
from tradingsite.pipelines import trading
from tradingsite.sandbox import database


@pytest.fixture
def walk_to() -> Callable[[Stream, int, datetime], None]:
    """Return a function that seals a stream's stored bars up to an instant and walks them."""

    def run(stream: Stream, account_id: int, until: datetime, ahead: int = 64) -> None:
        stream.refresh_from_db()
        closes = (
            Bar.objects.filter(
                instrument__in=stream.instruments.all(),
                timeframe="1d",
                closed_at__gt=stream.sealed_to,
                closed_at__lte=until,
            )
            .values_list("closed_at", flat=True)
            .order_by("closed_at")
        )
        instants = sorted(Counter(closes).items())
        for start in range(0, len(instants), ahead):
            seal_instants(stream_id=stream.pk, instants=instants[start : start + ahead])
            walk_until_idle(account_id)

    return run


@pytest.fixture
def calm_walk(
    sample_desk: Callable[..., object], walk_to: Callable[[Stream, int, datetime], None]
) -> Facts:
    """Return what one undisturbed year of three stocks leaves; the database is empty again."""
    forget()
    stream, account, _ = sample_desk(BEGIN, STOCKS)
    walk_to(stream, account.pk, END)
    found = facts()
    call_command("flush", interactive=False, verbosity=0)
    forget()
    return found


def walk_until_idle(account_id: int) -> None:
    """Walk the account until its record asks for nothing."""
    while next_step(account_id) is not None:
        trading.walk(account_id)


@pytest.fixture
def replay() -> Iterator[Start]:
    """Return a starter of the command on the test's own database; nothing outlives the test."""
    load_sample()
    url = env.with_database_name(env.database_url(), connection.settings_dict["NAME"])
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "replay", *THREE, *YEAR, *arguments],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": url,
                "DJANGO_SETTINGS_MODULE": "tradingsite.settings.local",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        kill_group(process)
    for name in sandboxes():
        database.drop(name)
