"""Findings follow the bars; a person's word stays."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from domain.bars import BarSeries, Timeframe, to_micros
from marketdata.models import DataFinding, Instrument, Split
from marketdata.services.check_series import (
    CheckedSeries,
    FindingSettledError,
    accept_finding,
    check_series,
    dismiss_finding,
)
from marketdata.services.ingest_bars import store_bars

pytestmark = pytest.mark.django_db
T0 = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
D1 = Timeframe.D1
MICROS = 86_400_000_000


@pytest.fixture
def instrument() -> Instrument:
    return Instrument.objects.create(
        venue="TEST", symbol="ONE", tick_size=Decimal("0.01"), lot_size=Decimal(1)
    )


def days(count: int = 80) -> BarSeries:
    """Return dull days at 100."""
    chance = np.random.default_rng(5)
    close, open_ = 100 * np.exp(chance.normal(0, 0.002, (2, count)))
    high, low = np.maximum(open_, close) * 1.005, np.minimum(open_, close) * 0.995
    opened_at = to_micros(T0) + np.arange(count, dtype=np.int64) * MICROS
    return BarSeries(opened_at, opened_at + MICROS, open_, high, low, close, np.full(count, 500.0))


def halved(bars: BarSeries, day: int) -> BarSeries:
    factor = np.where(np.arange(len(bars)) < day, 1.0, 0.5)
    prices = {side: getattr(bars, side) * factor for side in ("open", "high", "low", "close")}
    return replace(bars, **prices, volume=bars.volume / factor)


def look(instrument: Instrument, bars: BarSeries, since: datetime | None = None) -> CheckedSeries:
    store_bars(instrument_id=instrument.pk, timeframe=D1, bars=bars)
    return check_series(instrument=instrument, timeframe=D1, since=since)


def findings() -> list[tuple[int, str, int, str]]:
    """Return (day, kind, bars, state) of every finding."""
    rows = DataFinding.objects.order_by("opened_at", "kind")
    return [((row.opened_at - T0) // DAY, row.kind, row.bars, row.state) for row in rows]


def test_check_series_when_dull_finds_nothing(instrument: Instrument) -> None:
    assert look(instrument, days()) == CheckedSeries(bars=80, found=0, new=0, gone=0)
    assert check_series(instrument=instrument, timeframe=Timeframe.H1).bars == 0


def test_check_series_when_odd_records_each_once(instrument: Instrument) -> None:
    bars = halved(days(), 60)
    bars.low[40] = 30.0
    assert look(instrument, bars) == CheckedSeries(bars=80, found=2, new=2, gone=0)
    assert findings() == [(40, "outlier", 1, "open"), (60, "split_suspected", 1, "open")]
    assert look(instrument, bars) == CheckedSeries(bars=80, found=2, new=0, gone=0)


def test_check_series_when_bars_are_corrected_drops_the_finding(instrument: Instrument) -> None:
    bars = days()
    bars.low[40] = 30.0
    look(instrument, bars)
    assert look(instrument, days()) == CheckedSeries(bars=80, found=0, new=0, gone=1)
    assert findings() == []


def test_check_series_when_run_grows_updates_the_open_finding(instrument: Instrument) -> None:
    bars = days()
    bars.volume[50:56] = 0
    look(instrument, bars)
    bars.volume[50:58] = 0
    look(instrument, bars)
    assert findings() == [(50, "zero_volume", 8, "open")]


def test_check_series_when_judged_keeps_the_word(instrument: Instrument) -> None:
    bars = days()
    bars.low[40] = 30.0
    look(instrument, bars)
    dismiss_finding(finding_id=DataFinding.objects.get().pk)
    look(instrument, bars)
    look(instrument, days())
    assert findings() == [(40, "outlier", 1, "dismissed")]


def test_check_series_when_since_adds_and_never_drops(instrument: Instrument) -> None:
    bars = days()
    bars.low[30] = 30.0
    look(instrument, bars)
    bars = days()
    bars.low[60] = 30.0
    assert look(instrument, bars, since=T0 + 20 * DAY) == CheckedSeries(60, 1, 1, 0)
    assert findings() == [(30, "outlier", 1, "open"), (60, "outlier", 1, "open")]


def test_accept_finding_when_a_split_puts_it_on_record(instrument: Instrument) -> None:
    look(instrument, halved(days(), 60))
    accept_finding(finding_id=DataFinding.objects.get().pk, by="ann")
    split = Split.objects.get()
    assert (split.effective_at, split.ratio, split.source) == (
        T0 + 60 * DAY,
        Decimal(2),
        "seen in prices, accepted by ann",
    )
    assert findings() == [(60, "split_suspected", 1, "accepted")]


def test_check_series_when_split_is_on_record_suspects_nothing(instrument: Instrument) -> None:
    # The bar of a session may be labelled by its date or by its open.
    Split.objects.create(
        instrument=instrument, effective_at=T0 + 60 * DAY + timedelta(hours=14), ratio=2
    )
    assert look(instrument, halved(days(), 60)).found == 0


def test_accept_finding_when_settled_refuses(instrument: Instrument) -> None:
    look(instrument, halved(days(), 60))
    key = DataFinding.objects.get().pk
    dismiss_finding(finding_id=key)
    with pytest.raises(FindingSettledError, match="is not open"):
        accept_finding(finding_id=key, by="ann")
    assert not Split.objects.exists()
