"""Stored bars out into a file and in again: the same rows, to the bit."""

import gzip
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bars import BarSeries, Timeframe, to_micros
from marketdata.adjustment import Adjustment
from marketdata.bar_exports import BadExportError, write_bars
from marketdata.models import Bar, Dividend, Instrument, Split
from marketdata.services import export_bars as exporting
from marketdata.services.export_bars import ExportedBars, NothingToExportError, export_bars
from marketdata.services.import_bars import import_bars
from marketdata.services.ingest_bars import store_bars
from marketdata.services.name_instruments import InstrumentOptions

T0 = datetime(2024, 1, 2, 3, 45, tzinfo=UTC)
HOUR = 3_600_000_000
VALUES = ("opened_at", "closed_at", "open", "high", "low", "close", "volume")
ENDINGS = (".csv", ".csv.gz", ".parquet")
pytestmark = pytest.mark.django_db


def make_instrument(symbol: str = "ABC") -> Instrument:
    return Instrument.objects.create(
        venue="TEST", symbol=symbol, tick_size=1, lot_size=1, calendar="NSE"
    )


def series(prices: list[float], volumes: list[float | None]) -> BarSeries:
    opened_at = to_micros(T0) + np.arange(len(prices), dtype=np.int64) * HOUR
    price = np.array(prices)
    volume = np.array([np.nan if one is None else one for one in volumes])
    closed_at = opened_at + HOUR
    closed_at[-1:] -= HOUR // 4  # the session ends before the hour does
    return BarSeries(opened_at, closed_at, price, price, price, price, volume)


def table(symbol: str) -> list[tuple[object, ...]]:
    bars = Bar.objects.filter(instrument__symbol=symbol).order_by("opened_at")
    return list(bars.values_list(*VALUES))


def exported(instrument: Instrument, out: Path, **options: Any) -> ExportedBars:
    return export_bars(instrument=instrument, timeframe=Timeframe.H1, out=out, **options)


finite = st.floats(min_value=1e-300, max_value=9e14, allow_nan=False)
measured = st.one_of(st.none(), st.floats(min_value=0, max_value=9e17))


@pytest.mark.parametrize("ending", ENDINGS)
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(finite, measured), min_size=1, max_size=5))
def test_export_when_imported_again_gives_the_same_bars(
    tmp_path: Path, ending: str, rows: list[tuple[float, float | None]]
) -> None:
    path = tmp_path / f"bars{ending}"
    with transaction.atomic():
        bars = series([price for price, _ in rows], [volume for _, volume in rows])
        instrument = make_instrument()
        store_bars(instrument_id=instrument.pk, timeframe=Timeframe.H1, bars=_on_grid(bars))
        assert exported(instrument, path).rows == len(rows)
        import_bars(
            path=path,
            timeframe=Timeframe.H1,
            instrument=InstrumentOptions(symbol="COPY", venue="TEST", calendar="NSE"),
        )
        assert table("COPY") == table("ABC")
        transaction.set_rollback(True)


def _on_grid(bars: BarSeries) -> BarSeries:
    """Return the bars at full hours, which every door takes."""
    shift = 45 * 60 * 1_000_000
    columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return BarSeries(bars.opened_at - shift, bars.closed_at - shift, *columns)


@pytest.fixture
def stored() -> Instrument:
    instrument = make_instrument()
    bars = _on_grid(series([100.0, 101.0, 50.0, 51.5], [10.0, None, 30.0, 0.5]))
    store_bars(instrument_id=instrument.pk, timeframe=Timeframe.H1, bars=bars)
    at = T0.replace(minute=0) + timedelta(hours=2)
    Split.objects.create(instrument=instrument, effective_at=at, ratio=2)
    Dividend.objects.create(
        instrument=instrument, effective_at=at + timedelta(hours=1), factor=Decimal("0.5")
    )
    return instrument


def test_export_when_csv_has_the_plain_layout(stored: Instrument, tmp_path: Path) -> None:
    report = exported(stored, tmp_path / "bars.csv")
    assert (tmp_path / "bars.csv").read_text() == (
        "ts,open,high,low,close,volume,closed_at\n"
        "2024-01-02T03:00:00Z,100,100,100,100,10,2024-01-02T04:00:00Z\n"
        "2024-01-02T04:00:00Z,101,101,101,101,,2024-01-02T05:00:00Z\n"
        "2024-01-02T05:00:00Z,50,50,50,50,30,2024-01-02T06:00:00Z\n"
        "2024-01-02T06:00:00Z,51.5,51.5,51.5,51.5,0.5,2024-01-02T06:45:00Z\n"
    )
    assert (report.rows, report.first, report.last, report.splits) == (
        *(4, "2024-01-02T03:00:00Z", "2024-01-02T06:00:00Z", 0),
    )


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_export_when_in_batches_writes_the_same_file(
    stored: Instrument, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    exported(stored, tmp_path / "whole.csv", mode=Adjustment.ALL)
    monkeypatch.setattr(exporting, "BATCH_BARS", batch)
    exported(stored, tmp_path / "parts.csv.gz", mode=Adjustment.ALL)
    whole = (tmp_path / "whole.csv").read_bytes()
    assert gzip.decompress((tmp_path / "parts.csv.gz").read_bytes()) == whole


@pytest.mark.parametrize(
    ("mode", "opens", "volumes", "events"),
    [
        (Adjustment.RAW, [100, 101, 50, 51.5], ["10", "", "30", "0.5"], (0, 0)),
        (Adjustment.SPLITS, [50, 50.5, 50, 51.5], ["20", "", "30", "0.5"], (1, 0)),
        (Adjustment.ALL, [25, 25.25, 25, 51.5], ["20", "", "30", "0.5"], (1, 1)),
    ],
)
def test_export_when_adjusted_takes_events_out(
    stored: Instrument,
    tmp_path: Path,
    mode: Adjustment,
    opens: list[float],
    volumes: list[str],
    events: tuple[int, int],
) -> None:
    report = exported(stored, tmp_path / "bars.csv", mode=mode)
    rows = [line.split(",") for line in (tmp_path / "bars.csv").read_text().splitlines()[1:]]
    assert ([float(row[1]) for row in rows], [row[5] for row in rows]) == (opens, volumes)
    assert (report.splits, report.dividends) == events


def test_export_when_span_is_given_keeps_to_it(stored: Instrument, tmp_path: Path) -> None:
    hour = T0.replace(minute=0) + timedelta(hours=1)
    report = exported(
        stored, tmp_path / "bars.parquet", since=hour, until=hour + timedelta(hours=2)
    )
    assert (report.rows, report.first, report.last) == (
        *(2, "2024-01-02T04:00:00Z", "2024-01-02T05:00:00Z"),
    )


def test_export_when_it_fails_leaves_what_was_there(stored: Instrument, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("mine")
    with pytest.raises(NothingToExportError, match="has no 1h bars"):
        exported(stored, path, since=datetime(2030, 1, 1, tzinfo=UTC))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported(stored, path, progress=interrupt)
    assert [one.name for one in tmp_path.iterdir()] == ["bars.csv"]
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["bars.txt", "nowhere/bars.csv", "folder.csv"])
def test_write_when_file_cannot_be_written_refuses(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadExportError):
        write_bars(tmp_path / name, iter([series([1.0], [1.0])]))
    assert [one.name for one in tmp_path.iterdir()] == ["folder.csv"]
