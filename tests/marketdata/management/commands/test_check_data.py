"""The command looks at every series and says what is missing and odd."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command

from domain.bars import BarSeries, Timeframe, to_micros
from domain.errors import PlumblineError
from marketdata.feeds.registry import load_feeds
from marketdata.models import DataGap, Instrument, Provider
from marketdata.services.ingest_bars import store_bars

pytestmark = pytest.mark.django_db
T0 = datetime(2024, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def holed(symbol: str, calendar: str = "24/7", timeframe: str = "1m") -> Instrument:
    """Store an instrument that lacks two of five bars."""
    instrument, _ = Instrument.objects.get_or_create(
        venue="TEST",
        symbol=symbol,
        defaults={
            "calendar": calendar,
            "tick_size": Decimal("0.01"),
            "lot_size": Decimal(1),
        },
    )
    step = Timeframe.parse(timeframe).seconds * 1_000_000
    opened_at = to_micros(T0) + np.array([0, 1, 4], dtype=np.int64) * step
    price = np.full(3, 10.0)
    bars = BarSeries(opened_at, opened_at + step, price, price, price, price, price)
    store_bars(instrument_id=instrument.pk, timeframe=Timeframe.parse(timeframe), bars=bars)
    return instrument


def said(capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    call_command("check_data", *options, "--json")
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["series"]
    return rows


def test_check_data_when_asked_reports_every_series(capsys: pytest.CaptureFixture[str]) -> None:
    holed("ONE")
    holed("ONE", timeframe="1h")
    holed("TWO", calendar="")
    assert said(capsys) == [
        {
            "instrument": "TEST:ONE",
            "timeframe": timeframe,
            "calendar": "24/7",
            "bars": 3,
            "gaps": {"open": 1},
            "missing": 2,
            "open_missing": 2,
            "findings": {},
        }
        for timeframe in ("1m", "1h")
    ] + [
        {
            "instrument": "TEST:TWO",
            "timeframe": "1m",
            "calendar": "unknown",
            "bars": 3,
            "gaps": {},
            "missing": 0,
            "open_missing": 0,
            "findings": {},
        }
    ]


def test_check_data_when_named_looks_there_alone(capsys: pytest.CaptureFixture[str]) -> None:
    holed("ONE")
    holed("ONE", timeframe="1h")
    holed("TWO")
    assert len(said(capsys, "--instrument", "ONE", "TEST:TWO")) == 3
    assert len(said(capsys, "--instrument", "ONE", "--timeframe", "1h")) == 1
    with pytest.raises(PlumblineError, match="unknown instrument 'X'"):
        call_command("check_data", "--instrument", "X")
    with pytest.raises(PlumblineError, match="unknown timeframe '2h'"):
        call_command("check_data", "--timeframe", "2h")


def test_check_data_when_accepting_settles_what_is_open(
    capsys: pytest.CaptureFixture[str],
) -> None:
    holed("ONE")
    assert said(capsys, "--accept")[0]["gaps"] == {"accepted": 1}
    assert DataGap.objects.get().settled_by == "check_data"
    assert said(capsys)[0]["gaps"] == {"accepted": 1}


def test_check_data_when_backfilling_asks_the_providers(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    load_feeds()
    rows = "".join(f"{T0 + n * MINUTE:%Y-%m-%dT%H:%M:%SZ},5,6,4,5,9\n" for n in range(5))
    (tmp_path / "TEST_ONE_1m.csv").write_text("ts,open,high,low,close,volume\n" + rows)
    Provider.objects.create(name="folder", feed="files", options={"folder": str(tmp_path)})
    holed("ONE")
    row = said(capsys, "--backfill")[0]
    assert (row["gaps"], row["bars"], row["open_missing"]) == ({"filled": 1}, 5, 0)
    assert row["backfill"] == {"gaps": 1, "stored": 2, "absent": 0, "failed": 0}


def test_check_data_when_calendar_is_wrong_says_so_and_goes_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    holed("ONE", calendar="MOON")
    holed("TWO")
    first, second = said(capsys)
    assert first["error"].startswith("unknown calendar 'MOON'")
    assert second["gaps"] == {"open": 1}


def test_check_data_when_for_people_prints_a_line_each(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call_command("check_data")
    assert capsys.readouterr().out == "no such series is stored\n"
    holed("ONE")
    holed("TWO", calendar="")
    holed("WRONG", calendar="MOON")
    call_command("check_data")
    assert capsys.readouterr().out.splitlines()[:2] == [
        "TEST:ONE 1m (24/7): 3 bars; gaps: 1 open (2 bars missing); odd: none",
        "TEST:TWO 1m (unknown): 3 bars; gaps: unknown (0 bars missing); odd: none",
    ]
