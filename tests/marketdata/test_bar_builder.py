"""Ticks to bars: against a plain reference, on recorded ticks, in any cut and allowed order."""

import csv
import gzip
import math
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.bars import Bar, Timeframe, from_micros, to_micros
from domain.ticks import TICK, TickArray
from marketdata.bar_builder import (
    MICROS,
    BadToleranceError,
    BarBuilder,
    BuiltBars,
    bar_of,
)
from marketdata.tick_frames import TickReason

CHECKOUT = Path(__file__).resolve().parents[2]
TICKS = CHECKOUT.parent / "shared" / "data" / "ticks"
BEGIN = 1_700_000_040_000_000  # a whole minute
FOREVER = 2**61

Built = list[tuple[int, Bar]]


def rows_of(ticks: Sequence[tuple[int, int, float, float]]) -> TickArray:
    """Return rows of TICK from (instrument, micros, price, size)."""
    rows = np.zeros(len(ticks), dtype=TICK)
    for name, column in zip(
        ("instrument", "ts", "price", "size"), zip(*ticks, strict=True), strict=False
    ):
        rows[name] = column
    return rows


def reference(ticks: TickArray, seconds: int = 60) -> Built:
    """Return the bars in plain Python: one list of ticks a bar, sorted by (ts, arrival)."""
    held: dict[tuple[int, int], list[tuple[int, int, float, float]]] = defaultdict(list)
    for place, (ts, price, size, instrument, _) in enumerate(ticks.tolist()):
        opened_at = ts // (seconds * MICROS) * seconds * MICROS
        held[opened_at, instrument].append((ts, place, price, size))
    bars = []
    for (opened_at, instrument), rows in sorted(held.items()):
        rows.sort()
        prices = [row[2] for row in rows]
        volume = math.fsum(row[3] for row in rows)
        bars.append(
            (
                instrument,
                Bar(
                    from_micros(opened_at),
                    from_micros(opened_at + seconds * MICROS),
                    prices[0],
                    max(prices),
                    min(prices),
                    prices[-1],
                    None if math.isnan(volume) else volume,
                ),
            )
        )
    return bars


def plain(bars: BuiltBars) -> Built:
    """Return built rows as the reference writes them."""
    return [(int(row["instrument"]), bar_of(row)) for row in bars]


def build(ticks: TickArray, cuts: Sequence[int] = (), *, tolerance: float = 2.0) -> Built:
    """Return the bars of the ticks, handed in as frames that end at the cuts."""
    builder = BarBuilder([1, 2, 5], Timeframe.M1, tolerance_seconds=tolerance)
    for frame in np.split(ticks, sorted(cuts)):
        builder.add(frame)
    assert builder.counts.sum() == 0
    return plain(builder.close(FOREVER))


@st.composite
def walks(draw: st.DrawFn) -> TickArray:
    """Return ticks in rising time, several a moment, sizes that do not add up exactly."""
    count = draw(st.integers(1, 120))
    steps = st.sampled_from([0, 1, 40_000, 1_900_000, 30_000_000, 61_000_000, 500_000_000])
    ts = BEGIN
    ticks = []
    for _ in range(count):
        ts += draw(steps)
        size = draw(st.integers(0, 10**16)) / 1e8  # the finest steps exchanges trade in
        ticks.append((draw(st.sampled_from([1, 2, 5])), ts, draw(st.floats(1e-6, 1e9)), size))
    return rows_of(ticks)


@settings(max_examples=150, deadline=None)
@given(walks(), st.data())
def test_bars_when_frames_are_cut_anywhere_equal_the_reference(
    ticks: TickArray, data: st.DataObject
) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(ticks)), max_size=12))
    assert build(ticks, cuts) == build(ticks) == reference(ticks)


@settings(max_examples=150, deadline=None)
@given(walks(), st.randoms(use_true_random=False))
def test_bars_when_ticks_swap_inside_the_tolerance_are_the_same(
    ticks: TickArray, random: "st.random.Random"
) -> None:
    distinct = ticks.copy()
    distinct["ts"] += np.arange(len(ticks))  # equal times are told apart by arrival: none here
    delays = np.array([random.randrange(2 * MICROS) for _ in range(len(ticks))])
    arrival = np.argsort(distinct["ts"] + delays, kind="stable")
    assert build(distinct[arrival]) == build(distinct)


def test_bars_when_closed_early_and_often_are_the_same() -> None:
    rng = np.random.default_rng(11)
    ts = np.sort(BEGIN + rng.integers(0, 3600 * MICROS, 20_000))
    ticks = rows_of([(1, int(at), 100.0, 1.0) for at in ts])
    ticks["price"] += np.cumsum(rng.normal(0, 0.01, len(ticks)))
    ticks["size"] = rng.lognormal(0, 2, len(ticks))
    builder = BarBuilder([1], Timeframe.M1)
    bars: Built = []
    for frame in np.split(ticks, range(200, len(ticks), 200)):
        builder.add(frame)
        bars += plain(builder.close(int(frame["ts"][-1])))
    bars += plain(builder.close(FOREVER))
    assert bars == reference(ticks)
    assert builder.counts.sum() == 0


def test_late_ticks_when_beyond_the_tolerance_are_counted_and_left_out() -> None:
    second = MICROS
    builder = BarBuilder([1, 2], Timeframe.M1, tolerance_seconds=2.0)
    builder.add(
        rows_of(
            [
                (1, BEGIN + 10 * second, 10.0, 1.0),
                (1, BEGIN + 8 * second, 9.0, 1.0),  # just inside
                (1, BEGIN + 8 * second - 1, 1.0, 1.0),  # too old
                (2, BEGIN, 20.0, 1.0),  # another instrument has its own time
                (3, BEGIN, 20.0, 1.0),  # not ours
                (-4, BEGIN, 20.0, 1.0),
            ]
        )
    )
    bars = plain(builder.close(BEGIN + 60 * second))
    builder.add(rows_of([(2, BEGIN + 59 * second, 30.0, 1.0)]))  # its bar is closed
    assert [(bar.open, bar.close, bar.volume) for _, bar in bars] == [
        (9.0, 10.0, 2.0),
        (20.0, 20.0, 1.0),
    ]
    assert builder.counts[TickReason.LATE] == 2
    assert builder.counts[TickReason.UNKNOWN_INSTRUMENT] == 2
    assert len(builder.close(FOREVER)) == 0


def test_volume_when_one_size_is_unknown_is_unknown() -> None:
    bars = build(rows_of([(1, BEGIN, 1.0, 5.0), (1, BEGIN, 2.0, math.nan), (2, BEGIN, 1.0, 4.0)]))
    assert [bar.volume for _, bar in bars] == [None, 4.0]


def test_equal_times_when_split_over_frames_go_by_arrival() -> None:
    ticks = rows_of([(1, BEGIN, price, 1.0) for price in (3.0, 1.0, 4.0, 2.0)])
    for cut in range(5):
        ((_, bar),) = build(ticks, [cut])
        assert (bar.open, bar.high, bar.low, bar.close) == (3.0, 4.0, 1.0, 2.0)


def test_has_passed_when_every_instrument_is_beyond_the_tolerance() -> None:
    builder = BarBuilder([1, 2], Timeframe.M1, tolerance_seconds=2.0)
    until = BEGIN + 60 * MICROS
    builder.add(rows_of([(1, until + 2 * MICROS, 1.0, 1.0), (2, until + 2 * MICROS - 1, 1.0, 1.0)]))
    assert not builder.has_passed(until)
    builder.add(rows_of([(2, until + 2 * MICROS, 1.0, 1.0)]))
    assert builder.has_passed(until)


def test_newest_when_asked_gives_the_last_price_by_time() -> None:
    builder = BarBuilder([1, 2, 5], Timeframe.M1)
    assert builder.newest().tolist() == []
    builder.add(
        rows_of([(1, BEGIN + 9, 4.0, 1.0), (5, BEGIN + 3, 7.0, 1.0), (1, BEGIN + 8, 3.0, 1.0)])
    )
    assert builder.newest()[["ts", "price", "instrument"]].tolist() == [
        (BEGIN + 9, 4.0, 1),
        (BEGIN + 3, 7.0, 5),
    ]


def test_close_when_asked_for_less_holds_the_rest_back() -> None:
    builder = BarBuilder([1], Timeframe.M1)
    minutes = [BEGIN + minute * 60 * MICROS for minute in range(5000)]
    builder.add(rows_of([(1, at, 1.0, 1.0) for at in minutes]))  # more than the first buffer
    first = builder.close(minutes[3] + 59 * MICROS)
    rest = builder.close(FOREVER)
    assert first["opened_at"].tolist() == minutes[:3]
    assert rest["opened_at"].tolist() == minutes[3:]


def test_memory_when_many_ticks_pass_stays_flat() -> None:
    builder = BarBuilder(range(1, 51), Timeframe.M1)
    held = []
    for hour in range(4):
        ts = BEGIN + hour * 3600 * MICROS + np.arange(0, 3600 * MICROS, 18_000)
        ticks = np.zeros(len(ts), dtype=TICK)
        ticks["ts"], ticks["price"], ticks["instrument"] = ts, 1.0, 1 + np.arange(len(ts)) % 50
        for frame in np.split(ticks, range(200, len(ticks), 200)):
            builder.add(frame)
            builder.close(int(frame["ts"][-1]))
        held.append(sum(one.nbytes for one in vars(builder).values() if hasattr(one, "nbytes")))
    assert held == [held[0]] * 4


@pytest.mark.parametrize(
    ("timeframe", "tolerance"),
    [(Timeframe.D1, 1.0), (Timeframe.H4, 1.0), (Timeframe.M1, 61.0), (Timeframe.M1, -1.0)],
)
def test_builder_when_it_cannot_keep_its_word_refuses(
    timeframe: Timeframe, tolerance: float
) -> None:
    with pytest.raises(BadToleranceError):
        BarBuilder([1], timeframe, tolerance_seconds=tolerance)


def test_builder_when_it_has_no_instruments_builds_nothing() -> None:
    builder = BarBuilder([], Timeframe.M1)
    builder.add(rows_of([(1, BEGIN, 1.0, 1.0)]))
    assert len(builder.close(FOREVER)) == 0
    assert builder.counts[TickReason.UNKNOWN_INSTRUMENT] == 1


def recorded(name: str, instrument: int) -> TickArray:
    """Return the recorded trades of a file, in file order."""
    path = TICKS / name
    if not path.exists():
        pytest.skip(f"recorded ticks are not here: {path.name}")
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    return rows_of(
        [
            (
                instrument,
                to_micros(datetime.fromisoformat(row["ts"])),
                float(row["price"]),
                float(row.get("size") or row["amount"]),
            )
            for row in rows
        ]
    )


@pytest.mark.parametrize(
    ("name", "count", "timeframe"),
    [
        ("BAC_trades_20131007.csv.gz", 88_172, Timeframe.M1),
        ("BAC_trades_20131007.csv.gz", 88_172, Timeframe.M5),
        ("XRPETH_trades_20191011.csv.gz", 12_477, Timeframe.M1),
        ("XRPETH_trades_20191011.csv.gz", 12_477, Timeframe.H1),
    ],
)
def test_recorded_ticks_when_framed_equal_the_reference(
    name: str, count: int, timeframe: Timeframe
) -> None:
    ticks = recorded(name, 7)
    builder = BarBuilder([7], timeframe)
    for frame in np.split(ticks, range(200, len(ticks), 200)):
        builder.add(frame)
    assert len(ticks) == count
    assert plain(builder.close(FOREVER)) == reference(ticks, timeframe.seconds)
    assert builder.counts.sum() == 0


def test_recorded_ticks_when_grouped_by_pandas_give_the_same_bars() -> None:
    import pandas as pd  # noqa: PLC0415 - a second to load, for this test alone

    ticks = recorded("BAC_trades_20131007.csv.gz", 7)
    frame = pd.DataFrame({name: ticks[name] for name in ("ts", "price", "size")})
    grouped = frame.groupby(frame["ts"] // (60 * MICROS))
    expected = grouped["price"].agg(["first", "max", "min", "last"])
    builder = BarBuilder([7], Timeframe.M1)
    builder.add(ticks)
    bars = builder.close(FOREVER)
    assert bars[["open", "high", "low", "close"]].tolist() == list(
        expected.itertuples(index=False, name=None)
    )
    assert bars["volume"].tolist() == grouped["size"].sum().tolist()  # whole numbers: exact
    assert bars["ticks"].tolist() == grouped.size().tolist()


def test_kernel_when_no_folder_can_be_written_still_builds(tmp_path: Path) -> None:
    """A read-only install without a home: nothing can be kept, and nothing fails."""
    code = (
        "import numba.core.caching as c\n"
        "c.CacheImpl._locator_classes = []\n"
        "from marketdata.bar_builder import BarBuilder\n"
        "from domain.bars import Timeframe\n"
        "import numpy as np; from domain.ticks import TICK\n"
        "b = BarBuilder([1], Timeframe.M1); t = np.zeros(3, TICK)\n"
        "t['instrument'] = 1; t['price'] = 2.0; b.add(t)\n"
        "print(b.close(2**61)['ticks'].tolist())\n"
    )
    for package in ("domain", "marketdata"):
        shutil.copytree(CHECKOUT / package, tmp_path / package, dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "none"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[3]\n", done.stderr[-1000:]
