"""One round of care: streams lately, changed series whole, providers for what is missing."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from domain.bars import BarSeries, Timeframe, to_micros
from marketdata.feeds.registry import load_feeds
from marketdata.models import (
    DataFinding,
    DataGap,
    DataImport,
    Instrument,
    Provider,
    Seal,
    Stream,
)
from marketdata.services.backfill_gaps import Backfilled
from marketdata.services.ingest_bars import store_bars
from tradingsite.pipelines.data_care import Cared, care_for_data

pytestmark = pytest.mark.django_db
T0 = datetime(2024, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAYS_5 = 7_200  # minutes: longer than a round looks back


def make(symbol: str, *minutes: int, calendar: str = "24/7") -> Instrument:
    instrument = Instrument.objects.create(
        venue="TEST",
        symbol=symbol,
        calendar=calendar,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
    )
    opened_at = to_micros(T0) + np.array(minutes, dtype=np.int64) * 60_000_000
    price = 10 + np.arange(len(minutes)) % 7 / 100
    bars = BarSeries(
        opened_at, opened_at + 60_000_000, price, price + 0.1, price - 0.1, price, price
    )
    store_bars(instrument_id=instrument.pk, timeframe=Timeframe.M1, bars=bars)
    return instrument


def stream_of(*instruments: Instrument, minute: int) -> Stream:
    stream = Stream.objects.create(
        name="live",
        kind="live",
        feed="none",
        timeframes=["1m"],
        sealed_to=T0 + minute * MINUTE,
    )
    stream.instruments.set(instruments)
    Seal.objects.create(stream=stream, closed_at=stream.sealed_to, bars=1, lag_ms=0)
    return stream


def ledger() -> list[tuple[str, int, int, str]]:
    return [
        (
            gap.instrument.symbol,
            (gap.first_opened_at - T0) // MINUTE,
            (gap.last_opened_at - T0) // MINUTE,
            gap.state,
        )
        for gap in DataGap.objects.order_by("instrument__symbol", "first_opened_at")
    ]


def test_care_when_nothing_streams_or_changed_does_nothing() -> None:
    make("ONE", 0, 3)
    assert care_for_data() == Cared()


def test_care_when_a_stream_runs_looks_at_its_end(tmp_path: Path) -> None:
    one = make("ONE", 0, 3, *range(DAYS_5, DAYS_5 + 3))
    make("TWO", 0, 3)
    stream_of(one, minute=DAYS_5 + 4)
    assert care_for_data() == Cared(
        series=1, new_gaps=2, failed=0, backfilled=Backfilled(gaps=2, failed=2)
    )
    assert ledger() == [
        *(("ONE", 4, DAYS_5 - 1, "open"), ("ONE", DAYS_5 + 3, DAYS_5 + 3, "open")),
    ]
    Stream.objects.update(is_finished=True)
    DataGap.objects.all().delete()
    assert care_for_data() == Cared()


def test_care_when_an_import_came_looks_at_the_whole_series() -> None:
    one = make("ONE", 0, 3, DAYS_5)
    imported = DataImport.objects.create(instrument=one, timeframe="1m", source="x", sha256="")
    assert care_for_data().new_gaps == 2
    DataImport.objects.filter(pk=imported.pk).update(created_at=T0)
    DataGap.objects.all().delete()
    assert care_for_data() == Cared()


def test_care_when_a_provider_has_the_bars_fills_the_hole(tmp_path: Path) -> None:
    load_feeds()
    one = make("ONE", *range(60), *range(63, 100))
    stream_of(one, minute=100)
    rows = "".join(f"{T0 + n * MINUTE:%Y-%m-%dT%H:%M:%SZ},5,6,4,5,9\n" for n in range(100))
    (tmp_path / "TEST_ONE_1m.csv").write_text("ts,open,high,low,close,volume\n" + rows)
    Provider.objects.create(name="folder", feed="files", options={"folder": str(tmp_path)})
    assert care_for_data() == Cared(series=1, new_gaps=1, backfilled=Backfilled(gaps=1, stored=3))
    assert ledger() == [("ONE", 60, 62, "filled")]
    # What was filled is a revision: the series is looked at whole, and nothing new is found.
    assert care_for_data() == Cared(series=1)


def test_care_when_bars_are_odd_shows_them() -> None:
    one = make("ONE", *range(300))
    stream_of(one, minute=300)
    opened_at = np.array([to_micros(T0 + 300 * MINUTE)])
    ten = np.array([10.0])
    wrong = BarSeries(opened_at, opened_at + 60_000_000, ten, ten * 9, ten, ten, ten)
    store_bars(instrument_id=one.pk, timeframe=Timeframe.M1, bars=wrong)
    after = BarSeries(opened_at + 60_000_000, opened_at + 120_000_000, ten, ten, ten, ten, ten)
    store_bars(instrument_id=one.pk, timeframe=Timeframe.M1, bars=after)
    assert care_for_data().new_findings == 1
    assert DataFinding.objects.get().kind == "outlier"


def test_care_when_one_calendar_is_wrong_looks_at_the_others() -> None:
    bad, good = make("BAD", 0, 3, calendar="MOON"), make("GOOD", 0, 3)
    stream_of(bad, good, minute=4)
    cared = care_for_data()
    assert (cared.failed, cared.new_gaps) == (1, 1)
