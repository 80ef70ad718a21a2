"""Fixtures of the pipelines: a stream sealed and walked in this process."""

from collections.abc import Callable
from datetime import datetime

import pytest

from execution.queries import next_step
from marketdata.models import Bar, Stream
from marketdata.services.ingest_bars import seal_instants
from tradingsite.pipelines import trading


@pytest.fixture
def walk_sealed() -> Callable[[Stream, int, datetime], None]:
    """Return a function that seals a stream's stored bars up to an instant and walks them."""

    def run(stream: Stream, account_id: int, until: datetime) -> None:
        stream.refresh_from_db()
        bars = Bar.objects.filter(
            instrument__in=stream.instruments.all(),
            closed_at__gt=stream.sealed_to,
            closed_at__lte=until,
        )
        closes = sorted(set(bars.values_list("closed_at", flat=True)))
        seal_instants(stream_id=stream.pk, instants=[(at, 1) for at in closes])
        while next_step(account_id) is not None:
            trading.walk(account_id)

    return run
