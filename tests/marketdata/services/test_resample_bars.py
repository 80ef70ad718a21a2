"""Longer bars are added where they are missing, and never made over a hole."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.core.management import call_command

from domain.bars import BarSeries, Timeframe, to_micros
from marketdata.models import Bar, DataGap, Instrument
from marketdata.resampling import ResamplingError
from marketdata.services.ingest_bars import store_bars
from marketdata.services.resample_bars import Resampled, resample_bars

pytestmark = pytest.mark.django_db
T0 = datetime(2024, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
M1, M5, H1, D1 = Timeframe.M1, Timeframe.M5, Timeframe.H1, Timeframe.D1


def make(calendar: str = "24/7") -> Instrument:
    return Instrument.objects.create(
        venue="TEST",
        symbol="ONE",
        calendar=calendar,
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
    )


def store(instrument: Instrument, places: range | list[int], start: datetime = T0) -> None:
    opened_at = to_micros(start) + np.array(places, dtype=np.int64) * 60_000_000
    price = 10.0 + np.array(places) % 5
    bars = BarSeries(opened_at, opened_at + 60_000_000, price, price, price, price, price)
    store_bars(instrument_id=instrument.pk, timeframe=M1, bars=bars)


def stored(timeframe: Timeframe) -> list[tuple[int, float, float]]:
    """Return (minute, high, volume) of the stored bars."""
    rows = Bar.objects.filter(timeframe=timeframe.value).order_by("opened_at")
    return [((row.opened_at - T0) // MINUTE, row.high, row.volume) for row in rows]


def test_resample_when_whole_stores_each_bar_once() -> None:
    instrument = make()
    store(instrument, range(12))
    assert resample_bars(instrument=instrument, source=M1, target=M5) == Resampled(2, 2, 0)
    assert stored(M5) == [(0, 14.0, 60.0), (5, 14.0, 60.0)]
    store(instrument, range(12, 15))
    assert resample_bars(instrument=instrument, source=M1, target=M5) == Resampled(3, 1, 0)
    assert resample_bars(instrument=instrument, source=M5, target=H1) == Resampled(0, 0, 0)


def test_resample_when_a_hole_is_open_makes_no_bar_over_it() -> None:
    instrument = make()
    store(instrument, [*range(7), *range(8, 20)])
    assert resample_bars(instrument=instrument, source=M1, target=M5) == Resampled(4, 3, 1)
    assert [minute for minute, _, _ in stored(M5)] == [0, 10, 15]
    # Nobody traded in that minute: then the bar is whole without it.
    DataGap.objects.update(state="absent", settled_to=T0)
    assert resample_bars(instrument=instrument, source=M1, target=M5) == Resampled(4, 1, 0)


def test_resample_when_a_provider_has_the_bar_keeps_it() -> None:
    instrument = make("NYSE")
    midnight = np.array([to_micros(T0)])
    one = np.array([99.0])
    store_bars(
        instrument_id=instrument.pk,
        timeframe=D1,
        bars=BarSeries(midnight, midnight + 86_400_000_000, one, one, one, one, one),
    )
    for day in range(2):
        store(instrument, range(390), start=T0 + timedelta(days=day, hours=13, minutes=30))
    assert resample_bars(instrument=instrument, source=M1, target=D1) == Resampled(2, 1, 0)
    assert stored(D1) == [(0, 99.0, 99.0), (1440 + 810, 14.0, 4680.0)]


def test_resample_when_impossible_refuses() -> None:
    instrument = make()
    store(instrument, range(12))
    with pytest.raises(ResamplingError, match="5m bars do not make 1m bars: 1m is no multiple"):
        resample_bars(instrument=instrument, source=M5, target=M1)
    with pytest.raises(ResamplingError, match="1m bars are 1m bars already"):
        resample_bars(instrument=instrument, source=M1, target=M1)
    with pytest.raises(ResamplingError, match="TEST:ONE has no stored 5m bars"):
        resample_bars(instrument=instrument, source=M5, target=H1)


def test_resample_command_when_asked_prints_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store(make(), range(60))
    options = ("--instrument", "ONE", "--source", "1m", "--target", "5m", "1h")
    call_command("resample_bars", *options)
    assert capsys.readouterr().out.splitlines() == [
        "TEST:ONE 5m of 1m: 12 made, 12 new, 0 left out over holes",
        "TEST:ONE 1h of 1m: 1 made, 1 new, 0 left out over holes",
    ]


def test_resample_command_when_one_target_is_impossible_makes_none() -> None:
    store(make(), range(60))
    options = ("--instrument", "ONE", "--source", "1m", "--target", "5m", "1m")
    with pytest.raises(ResamplingError, match="1m bars are 1m bars already"):
        call_command("resample_bars", *options)
    assert stored(M5) == []
