"""Walk fixtures: seal stored bars, walk an account to the end of them."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

import pytest

from execution.queries import next_step
from marketdata.models import Bar, Stream
from marketdata.services.ingest_bars import seal_instants
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
            while next_step(account_id) is not None:
                trading.walk(account_id)

    return run
