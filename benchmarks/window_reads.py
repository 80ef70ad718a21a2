"""Ways to read windows, over a table filled with made-up bars. Django is set up before."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median

import numpy as np
from django.db import connection, transaction

from domain.bars import BarSeries, Timeframe, to_micros
from marketdata.models import Bar, Instrument
from marketdata.queries import bars_windows
from marketdata.services.ingest_bars import store_bars
from marketdata.services.pack_bars import pack_bars

INSTRUMENTS = 500
COUNT = 500
BEGINS = datetime(2022, 1, 1, tzinfo=UTC)
SEED = 7
ROUNDS = 5
FEW, MANY = 2_000, 20_000
Way = Callable[[], int]


def main(_folder: str) -> None:
    """Measure one million stored bars, then ten; print one JSON object."""
    few = fill(bars_each=FEW)
    small = _rounds(ways(few))
    answer: dict[str, object] = {
        f"500 x 500 bars by {name}, ms": value for name, value in small.items()
    }
    answer["windows, times faster than the ORM"] = round(small["ORM"] / small["packed"], 1)
    answer["windows, times faster than a cursor"] = round(small["cursor"] / small["packed"], 1)
    many = fill(bars_each=MANY)
    large = _rounds({name: way for name, way in ways(many).items() if name != "ORM"})
    answer |= {f"of 10 million, by {name}, ms": value for name, value in large.items()}
    answer |= one_of_many(many)
    answer["plan of a window in 10 million"] = plan(many)
    sys.stdout.write(json.dumps(answer))


def _rounds(chosen: dict[str, Way]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in chosen}
    for _ in range(ROUNDS):
        for name, way in chosen.items():
            began = time.perf_counter()
            rows = way()
            times[name].append(time.perf_counter() - began)
            if rows != INSTRUMENTS * COUNT:
                raise RuntimeError(f"{name} read {rows} bars, not {INSTRUMENTS * COUNT}")
    return {name: round(1000 * median(found), 1) for name, found in times.items()}


def fill(*, bars_each: int) -> list[int]:
    """Store and pack minute bars of 500 instruments up to `bars_each`; return their ids."""
    if not Instrument.objects.filter(venue="BENCH").exists():
        Instrument.objects.bulk_create(
            Instrument(
                venue="BENCH", symbol=f"I{n:03}", tick_size=Decimal("0.01"), lot_size=Decimal(1)
            )
            for n in range(INSTRUMENTS)
        )
    ids = list(Instrument.objects.filter(venue="BENCH").values_list("pk", flat=True))
    opened = to_micros(BEGINS) + 60_000_000 * np.arange(bars_each, dtype=np.int64)
    walk = np.random.default_rng(SEED).normal(0, 8e-4, bars_each)
    close = np.round(100 * np.exp(np.cumsum(walk)), 4)
    open_ = np.concatenate(([100.0], close[:-1]))
    high, low = np.maximum(open_, close) + 0.01, np.minimum(open_, close) - 0.01
    bars = BarSeries(opened, opened + 60_000_000, open_, high, low, close, np.full(bars_each, 5.0))
    for key in ids:
        with transaction.atomic():
            store_bars(instrument_id=key, timeframe=Timeframe.M1, bars=bars)
            pack_bars(instrument_id=key, timeframe=Timeframe.M1)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE) marketdata_bar")
        cursor.execute("VACUUM (ANALYZE) marketdata_barchunk")
    return ids


def ways(ids: list[int]) -> dict[str, Way]:
    """Return every way of reading the last 500 bars of each instrument; each returns how many."""
    until = Bar.objects.filter(instrument_id=ids[0], timeframe="1m").latest("opened_at").closed_at

    def by_orm() -> int:
        rows = 0
        for key in ids:
            found = Bar.objects.filter(instrument_id=key, timeframe="1m", closed_at__lte=until)
            last = found.order_by("-opened_at").values_list(
                "opened_at", "closed_at", "open", "high", "low", "close", "volume"
            )[:COUNT]
            columns = [np.array(column) for column in zip(*last, strict=True)]
            rows += len(columns[0])
        return rows

    def by_cursor() -> int:
        rows = 0
        with connection.cursor() as cursor:
            for key in ids:
                cursor.execute(
                    "SELECT opened_at, closed_at, open, high, low, close, volume"
                    " FROM marketdata_bar WHERE instrument_id = %s AND timeframe = '1m'"
                    " AND closed_at <= %s ORDER BY opened_at DESC LIMIT %s",
                    [key, until, COUNT],
                )
                columns = [np.array(column) for column in zip(*cursor.fetchall(), strict=True)]
                rows += len(columns[0])
        return rows

    def by_chunks() -> int:
        found = bars_windows(instrument_ids=ids, timeframe=Timeframe.M1, as_of=until, count=COUNT)
        return sum(map(len, found.values()))

    return {"ORM": by_orm, "cursor": by_cursor, "packed": by_chunks}


def one_of_many(ids: list[int]) -> dict[str, float]:
    """Return how long one instrument's window takes, newest and two weeks back, in ms."""
    newest = Bar.objects.filter(instrument_id=ids[0], timeframe="1m").latest("opened_at").closed_at
    answer = {}
    for name, as_of in (("newest", newest), ("one week back", newest - timedelta(days=7))):
        times = []
        for key in ids[:50]:
            began = time.perf_counter()
            bars_windows(instrument_ids=[key], timeframe=Timeframe.M1, as_of=as_of, count=COUNT)
            times.append(time.perf_counter() - began)
        answer[f"of 10 million bars, one instrument, {name}, ms"] = round(1000 * median(times), 2)
    return answer


def plan(ids: list[int]) -> list[str]:
    """Return PostgreSQL's plan for the last bars of one instrument."""
    newest = Bar.objects.filter(instrument_id=ids[0], timeframe="1m").latest("opened_at").closed_at
    with connection.cursor() as cursor:
        cursor.execute(
            "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF)"
            " SELECT * FROM marketdata_bar WHERE instrument_id = %s AND timeframe = '1m'"
            " AND opened_at < %s AND closed_at <= %s ORDER BY opened_at DESC LIMIT 500",
            [ids[250], newest, newest],
        )
        return [line for (line,) in cursor.fetchall()]
