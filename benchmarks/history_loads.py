"""Ways to load history into the table of bars. Django is set up before."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from django.db import connection, transaction

from domain.bars import BarSeries, Timeframe, from_micros, to_micros
from marketdata.models import Bar, Instrument
from marketdata.services.import_bars import import_bars
from marketdata.services.ingest_bars import BAR_COLUMNS, VALUE_COLUMNS, bars_of, store_bars
from marketdata.services.name_instruments import InstrumentOptions
from marketdata.services.partitions import ensure_bar_partitions
from marketdata.services.staging import copy_bytes

ROUNDS = 5
ROWS = 200_000
# The ORM needs 4 s for so many; its rate does not depend on it.
ORM_ROWS = 40_000
FILE_ROWS = 500_000
BEGINS = datetime(2022, 1, 1, tzinfo=UTC)
SEED = 7


def main(folder: str) -> None:
    """Measure, with files in `folder`; print one JSON object."""
    answer = measure_loads(_say, Path(folder))
    sys.stdout.write(json.dumps(answer))


def measure_loads(say: Callable[[str], None], folder: Path) -> dict[str, Any]:
    """Return rows a second of every way, and what a second load leaves behind."""
    series = made_up(ROWS)
    first, last = (from_micros(int(series.opened_at[at])) for at in (0, -1))
    ensure_bar_partitions(timeframe=Timeframe.M1, first=first, last=last)
    times: dict[str, list[float]] = {}
    for number in range(ROUNDS):
        say(f"round {number + 1} of {ROUNDS}")
        for name, load in (("COPY", by_copy), ("staged", by_staging), ("bulk_create", by_orm)):
            key = new_instrument(f"{name}{number}")
            bars = series[:ORM_ROWS] if name == "bulk_create" else series
            times.setdefault(name, []).append(_seconds(load, key, bars) / len(bars))
            if name == "staged":
                again = _seconds(load, key, bars)
                times.setdefault("staged again", []).append(again / len(bars))
    rates = {name: round(1 / median(found)) for name, found in times.items()}
    answer: dict[str, Any] = {f"history, {name}, rows/s": rate for name, rate in rates.items()}
    answer["staged against bulk_create"] = round(rates["staged"] / rates["bulk_create"], 1)
    answer["staged against COPY"] = round(rates["staged"] / rates["COPY"], 2)
    answer["unchanged again against first"] = round(rates["staged again"] / rates["staged"], 2)
    return answer | _growth(series) | _files(say, folder)


def made_up(rows: int) -> BarSeries:
    """Return minute bars of a random walk."""
    opened = to_micros(BEGINS) + 60_000_000 * np.arange(rows, dtype=np.int64)
    chance = np.random.default_rng(SEED)
    close = np.round(100 * np.exp(np.cumsum(chance.normal(0, 8e-4, rows))), 2)
    open_ = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(open_, close) + 0.01, np.minimum(open_, close) - 0.01
    volume = chance.integers(1, 99_999, rows).astype(np.float64)
    return BarSeries(opened, opened + 60_000_000, open_, high, low, close, volume)


def new_instrument(symbol: str) -> int:
    """Return the id of an instrument without bars."""
    grid = {"tick_size": Decimal("0.01"), "lot_size": Decimal(1)}
    return int(Instrument.objects.create(venue="LOAD", symbol=symbol, **grid).pk)


def by_staging(instrument_id: int, bars: BarSeries) -> None:
    """Load as every import does."""
    store_bars(instrument_id=instrument_id, timeframe=Timeframe.M1, bars=bars)


def by_copy(instrument_id: int, bars: BarSeries) -> None:
    """Load with a bare binary COPY: no look at what is there, a second time it fails."""
    rows = len(bars)
    columns = tuple((name, "text" if name == "timeframe" else kind) for name, kind in BAR_COLUMNS)
    values = {name: getattr(bars, name) for name in ("opened_at", *VALUE_COLUMNS)}
    values |= {"instrument_id": np.full(rows, instrument_id), "timeframe": np.full(rows, "1m")}
    names = ", ".join(f'"{name}"' for name, _ in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.copy_expert(
            f"COPY marketdata_bar ({names}) FROM STDIN (FORMAT binary)",
            BytesIO(copy_bytes(columns, values)),
        )


def by_orm(instrument_id: int, bars: BarSeries) -> None:
    """Load with Django's own upsert."""
    rows = [
        Bar(
            instrument_id=instrument_id,
            timeframe="1m",
            opened_at=bar.opened_at,
            closed_at=bar.closed_at,
            **{name: getattr(bar, name) for name in VALUE_COLUMNS[1:]},
        )
        for bar in bars_of(bars)
    ]
    Bar.objects.bulk_create(
        rows,
        batch_size=5_000,
        update_conflicts=True,
        update_fields=VALUE_COLUMNS,
        unique_fields=("instrument", "timeframe", "opened_at"),
    )


def _seconds(load: Callable[[int, BarSeries], None], key: int, bars: BarSeries) -> float:
    began = time.perf_counter()
    load(key, bars)
    return time.perf_counter() - began


def _growth(bars: BarSeries) -> dict[str, Any]:
    """Return how much a second, unchanged load makes the table grow."""
    key = new_instrument("grown")
    by_staging(key, bars)
    before = _size()
    by_staging(key, bars)
    grown = {"bytes the table grew by an unchanged load": _size() - before}
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables"
            " WHERE relname LIKE 'marketdata_bar_1m%'"
        )
        (dead,) = cursor.fetchone()
    return grown | {"dead rows after all loads": int(dead)}


def _size() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('marketdata_bar')"
        )
        return int(cursor.fetchone()[0])


def _files(say: Callable[[str], None], folder: Path) -> dict[str, Any]:
    """Return the rate from a CSV file to committed rows, first and unchanged again."""
    path = folder / "bars.csv"
    bars = made_up(FILE_ROWS)
    times = bars.opened_at.astype("datetime64[us]").astype("datetime64[s]").astype(str)
    prices = (bars.open, bars.high, bars.low, bars.close)
    rows = zip(times, *(np.char.mod("%.2f", one) for one in prices), bars.volume, strict=True)
    with path.open("w") as file:
        file.write("ts,open,high,low,close,volume\n")
        file.writelines(
            f"{at}Z,{open_},{high},{low},{close},{volume:.0f}\n"
            for at, open_, high, low, close, volume in rows
        )
    found: dict[str, list[float]] = {"first": [], "again": []}
    for number in range(3):
        say(f"file {number + 1} of 3")
        for seconds in found.values():
            began = time.perf_counter()
            report = import_bars(
                path=path,
                timeframe=Timeframe.M1,
                instrument=InstrumentOptions(symbol=f"FILE{number}", venue="LOAD"),
            )
            seconds.append(time.perf_counter() - began)
            if report.inserted + report.unchanged != FILE_ROWS:
                raise RuntimeError(f"the file was not loaded whole: {report}")
    return {
        f"import_bars {name}, rows/s": round(FILE_ROWS / median(seconds))
        for name, seconds in found.items()
    }


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
