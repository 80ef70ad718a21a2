"""The values written are those of a score; what cannot be given is said in one line."""

import csv
import io
import json
from datetime import UTC, datetime
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from domain.bars import BarSeries, Timeframe
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.extras import extras_of
from marketdata.indicators.fold import BlockFold, block_of
from marketdata.indicators.registry import indicator_set, load_indicators, make_indicator
from marketdata.models import Bar, DataGap, Instrument
from marketdata.queries import bars_window, instrument_terms
from marketdata.services.ingest_bars import store_bars
from marketdata.services.load_sample import load_sample

pytestmark = pytest.mark.django_db
LATE = datetime(2100, 1, 1, tzinfo=UTC)
SPAN = ("--from", "2004-12-20", "--to", "2005-04-01")  # two blocks and AAPL's split
NAMES = ("rsi", "macd:fast=5,slow=9", "bollinger", "supertrend", "obv", "session_position")


@pytest.fixture
def apple(db: None) -> Instrument:
    load_sample()
    return Instrument.objects.get(symbol="AAPL")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    capsys.readouterr()
    call_command("indicators", *arguments)
    found = capsys.readouterr()
    return found.out, found.err


def series_of_all(instrument: Instrument) -> BarSeries:
    return bars_window(instrument_id=instrument.pk, timeframe=Timeframe.D1, as_of=LATE)


def asked(instrument: Instrument) -> tuple[str, ...]:
    return ("--instrument", str(instrument), "--timeframe", "1d")


def test_indicators_when_written_are_the_bits_of_batch_and_fold(
    apple: Instrument, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "values.csv"
    names = ("--names", ",".join(NAMES))
    answer = json.loads(told(capsys, *asked(apple), *names, *SPAN, "--csv", str(out), "--json")[0])
    rows = list(csv.DictReader(out.open()))
    assert (answer["rows"], answer["first"]) == (len(rows), "2004-12-20T00:00:00Z")
    assert told(capsys, *asked(apple), *names, *SPAN)[0] == out.read_text()

    series, terms = series_of_all(apple), instrument_terms([apple.pk])[apple.pk]
    extras = extras_of(calendar_name=terms.calendar, timeframe=Timeframe.D1)
    chosen = indicator_set(NAMES)
    matrix = indicator_matrix(series, Timeframe.D1, chosen, terms.splits, extras=extras)
    begin = int(np.searchsorted(series.opened_at, _micros(rows[0]["opened_at"])))
    assert begin > 1000
    for column, spec in enumerate(NAMES):
        kinds = {"raw": matrix.raw, "normalised": matrix.normalised}
        for kind in ("raw", "normalised") if chosen[column].is_directed else ("raw",):
            expected = kinds[kind][begin : begin + len(rows), column]
            assert [row[f"{spec} {kind}"] for row in rows] == list(map(_cell, expected.tolist()))
    until = series[: begin + len(rows)]
    opened = datetime.fromisoformat(rows[-1]["opened_at"])
    block = block_of(Timeframe.D1, opened, terms.splits)
    fold = BlockFold(chosen, block, until, extras=extras)
    last = [value for key, value in rows[-1].items() if key not in ("opened_at", "closed_at")]
    expected_row = [
        value
        for place, one in enumerate(chosen)
        for value in (
            *fold.outputs(place),
            *([fold.normalised[place]] if one.is_directed else []),
        )
    ]
    assert last == list(map(_cell, expected_row))


def test_indicators_when_no_names_are_given_writes_all_that_apply(
    apple: Instrument, capsys: pytest.CaptureFixture[str]
) -> None:
    out, err = told(capsys, *asked(apple), "--from", "2005-03-01", "--to", "2005-03-03")
    header, *rows = csv.reader(io.StringIO(out))
    assert len(rows) == 2
    written = {name.partition(" ")[0] for name in header[2:]}
    assert written == set(load_indicators()) - {"order_flow"}
    assert err.startswith("order_flow: not available: NASDAQ:AAPL has no trades with a side\n")
    assert all(len(row) == len(header) for row in rows)


def test_indicators_when_volume_is_not_known_say_not_available(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bars = "ts,open,high,low,close\n2024-01-02T00:00:00Z,1,1,1,1\n2024-01-02T00:01:00Z,2,2,2,2\n"
    (tmp_path / "in.csv").write_text(bars)
    named = ("--instrument", "EURUSD", "--venue", "FX", "--timeframe", "1m")
    call_command("import_bars", str(tmp_path / "in.csv"), *named)
    series = ("--instrument", "EURUSD", "--timeframe", "1m")
    out, err = told(capsys, *series, "--names", "obv", "hour", "--json")
    assert err == "obv: not available: FX:EURUSD has no volume\n"
    answer = json.loads(out)
    assert answer["not_available"] == {"obv": "not available: FX:EURUSD has no volume"}
    place = answer["columns"].index("obv raw")
    assert [row[place] for row in answer["rows"]] == [None, None]
    assert answer["rows"][0][:2] == ["2024-01-02T00:00:00Z", "2024-01-02T00:01:00Z"]


def test_indicators_when_a_hole_is_open_withholds_what_reaches_over_it(
    apple: Instrument, capsys: pytest.CaptureFixture[str]
) -> None:
    row = Bar.objects.get(instrument=apple, opened_at=datetime(2005, 3, 2, tzinfo=UTC))
    times = {"first_opened_at": row.opened_at, "last_opened_at": row.opened_at}
    series = {"instrument": apple, "timeframe": "1d", "bars": 1, "state": "open"}
    DataGap.objects.create(**series, **times, known_from=row.closed_at)
    row.delete()
    span = ("--from", "2005-03-01", "--to", "2005-03-05")
    out, err = told(capsys, *asked(apple), "--names", "rsi", *span)
    assert err.startswith("rows left empty because they look back over a missing bar: 2;")
    as_json = json.loads(told(capsys, *asked(apple), "--names", "rsi", *span, "--json")[0])
    assert as_json["behind_holes"] == 2
    before, *behind = list(csv.reader(io.StringIO(out)))[1:]
    assert before[2:] != ["", ""]
    assert [one[2:] for one in behind] == [["", ""], ["", ""]]


def test_indicators_when_written_for_a_person_list_the_columns(
    apple: Instrument, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = ("--csv", str(tmp_path / "values.csv"))
    out, err = told(capsys, *asked(apple), "--names", "rsi", *SPAN, *file)
    assert "columns: opened_at, closed_at, rsi raw, rsi normalised\nnot available: -\n" in out
    assert err == ""


def test_indicators_when_history_begins_inside_the_warm_up_leaves_cells_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    instrument = Instrument.objects.create(venue="T", symbol="X", tick_size=1, lot_size=1)
    opened = np.arange(20, dtype=np.int64) * 86_400_000_000
    price = 100.0 + np.arange(20) % 3
    bars = BarSeries(opened, opened + 86_400_000_000, price, price, price, price, price)
    store_bars(instrument_id=instrument.pk, timeframe=Timeframe.D1, bars=bars)
    out, _ = told(capsys, *asked(instrument), "--names", "rsi")
    cells = [row[2] for row in csv.reader(io.StringIO(out))][1:]
    first = make_indicator("rsi").first_value
    assert [bool(one) for one in cells] == [False] * first + [True] * (20 - first)


def test_indicators_when_listed_tell_every_one(capsys: pytest.CaptureFixture[str]) -> None:
    answer = json.loads(told(capsys, "--list", "--json")[0])["indicators"]
    assert [one["name"] for one in answer] == list(load_indicators())
    rsi = next(one for one in answer if one["name"] == "rsi")
    indicator = make_indicator("rsi")
    assert rsi == {
        "name": "rsi",
        "family": "momentum",
        "inputs": ["close"],
        "outputs": ["rsi"],
        "parameters": [{"name": "period", "type": "int", "default": 14, "low": 2, "high": 200}],
        "first_value": indicator.first_value,
        "warmup": indicator.warmup,
        "is_directed": True,
    }
    lines = told(capsys, "--list")[0].splitlines()
    assert len(lines) == len(answer)
    assert any(line.startswith("rsi ") and "period=14" in line for line in lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"instrument": "XYZ"}, "unknown instrument 'XYZ'"),
        ({"instrument": None}, "say --instrument and --timeframe, or --list"),
        ({"timeframe": "7m"}, "unknown timeframe '7m'"),
        ({"names": ["rsj"]}, "unknown indicator 'rsj'"),
        ({"names": ["rsi,rsi"]}, "must be named once each"),
        ({"names": ["rsi:period=0"]}, "period is 0, allowed"),
        ({"names": ["rsi:period=nan"]}, "'rsi:period=nan': period must be a whole number"),
        ({"names": ["bollinger:deviations=x"]}, "deviations must be a number"),
        ({"names": ["rsi:length=3"]}, "has no parameter 'length'"),
        ({"names": ["rsi@1h"]}, "'rsi@1h': write the timeframe as --timeframe"),
        ({"since": "soon"}, "--from 'soon' is no time"),
        ({"since": "2005-03-02", "until": "2005-03-01"}, "is not before --to"),
        ({"until": "1980-01-01"}, "has no 1d bars in that span"),
        ({"timeframe": "1h"}, "has no 1h bars in that span"),
        ({"csv": Path("/nowhere/at/all.csv")}, "/nowhere/at/all.csv: No such file"),
    ],
)
def test_indicators_when_asked_wrongly_say_one_line(
    apple: Instrument, options: dict[str, object], message: str
) -> None:
    wanted = {"instrument": "AAPL", "timeframe": "1d", "names": ["rsi"], "csv": None, **options}
    with pytest.raises(CommandError) as caught:
        call_command("indicators", **wanted)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def _micros(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1_000_000)


def _cell(value: float | None) -> str:
    return "" if value is None or isnan(value) else repr(value)
