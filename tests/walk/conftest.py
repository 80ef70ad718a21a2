"""Walk fixtures: seal stored bars, walk an account to the end of them."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pytest
from django.core.management import call_command

from execution.queries import next_step
from marketdata.models import Bar, Stream
from marketdata.services.ingest_bars import seal_instants
from tests.walk.facts import BEGIN, END, STOCKS, Facts, facts, forget
from tradingsite.pipelines import trading


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
