"""A missing bar withholds the scores over it, is asked for, and comes back in from then on."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.bars import Timeframe
from marketdata.models import Bar, DataGap, DataRevision, Instrument, Provider, Stream
from marketdata.services.backfill_gaps import Backfilled, backfill_gaps
from marketdata.services.export_bars import export_bars
from marketdata.services.find_gaps import find_gaps
from mlweights.models import Score
from strategies.models import Hold, Signal
from tests.walk.facts import forget
from tradingsite.invariants import violations

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

BEGIN = datetime(2005, 1, 1, tzinfo=UTC)
MISSING = datetime(2005, 3, 10, tzinfo=UTC)
ASKED = datetime(2005, 4, 1, tzinfo=UTC)
END = datetime(2005, 6, 1, tzinfo=UTC)


def scored(instrument: Instrument, since: datetime, until: datetime) -> int:
    return Score.objects.filter(
        instrument=instrument, closed_at__gt=since, closed_at__lte=until
    ).count()


def bars(instrument: Instrument, since: datetime, until: datetime) -> int:
    return Bar.objects.filter(
        instrument=instrument, closed_at__gt=since, closed_at__lte=until
    ).count()


def test_hole_when_met_blocks_and_the_second_provider_fills_it(
    sample_desk: Callable[..., tuple[Stream, object, object]],
    walk_to: Callable[..., None],
    tmp_path: Path,
) -> None:
    forget()
    stream, account, _ = sample_desk(BEGIN, ("IBM", "MSFT"))
    ibm, msft = Instrument.objects.get(symbol="IBM"), Instrument.objects.get(symbol="MSFT")
    Bar.objects.filter(instrument=ibm, opened_at=MISSING).delete()
    find_gaps(instrument=ibm, timeframe=Timeframe.D1)
    gap = DataGap.objects.get()
    assert (gap.bars, gap.state, gap.first_opened_at.date()) == (1, "open", MISSING.date())

    walk_to(stream, account.pk, ASKED)
    first_blocked = Bar.objects.filter(instrument=ibm, opened_at__gt=MISSING).earliest("closed_at")
    before = bars(ibm, BEGIN, first_blocked.opened_at)
    assert scored(ibm, BEGIN, ASKED) == before
    assert scored(msft, BEGIN, ASKED) == bars(msft, BEGIN, ASKED)
    reasons = {
        reason
        for hold in Hold.objects.filter(closed_at__gte=first_blocked.closed_at)
        for symbol, reason in zip(hold.symbols, hold.reasons, strict=True)
        if symbol.endswith("IBM")
    }
    assert len(reasons) == 1
    assert reasons.pop().startswith("bars are missing up to 2005-03-10")
    blocked = Signal.objects.filter(instrument=ibm, closed_at__gte=first_blocked.closed_at)
    assert not blocked.exists()

    # The first provider has the same hole, the second has the bar.
    folder = tmp_path / "watched"
    folder.mkdir()
    export_bars(instrument=ibm, timeframe=Timeframe.D1, out=folder / "NYSE_IBM_1d.csv")
    Provider.objects.create(
        name="folder", feed="files", priority=1, options={"folder": str(folder)}
    )
    second = Provider.objects.create(name="sample", feed="sample_stocks", priority=2)
    assert backfill_gaps() == Backfilled(gaps=1, stored=1)
    filled = Bar.objects.get(instrument=ibm, opened_at=MISSING)
    assert (filled.source_id, filled.known_at) == (second.pk, ASKED)
    gap.refresh_from_db()
    assert (gap.state, gap.settled_to) == ("filled", ASKED)
    assert DataRevision.objects.get().kind == "backfilled"

    walk_to(stream, account.pk, END)
    assert scored(ibm, ASKED, END) == bars(ibm, ASKED, END) > 40
    assert scored(ibm, BEGIN, ASKED) == before
    assert violations() == []
