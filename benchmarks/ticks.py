"""Ticks to bars: the builder beside pandas and a bare loop, and the whole road through Redis."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any

import numpy as np
from redis import Redis

from domain.bars import Timeframe
from domain.ticks import TICK, TickArray
from marketdata.bar_builder import BarBuilder
from marketdata.services.tick_stream import StreamEntry, TickStream
from marketdata.tick_frames import TICKS_PER_FRAME
from tradingsite.embedded.cluster import start_cluster
from tradingsite.pipelines.tick_bars import TickBars

RUNS = 3
TICKS = 2_000_000
INSTRUMENTS = 50
SPAN_MINUTES = 60
MICROS = 1_000_000
MINUTE = 60 * MICROS
FRAMES_PER_WRITE = 20
LIVE_FRAMES = 1000
LIVE_PAUSE_SECONDS = 0.002
LATER = 2**60  # the clock of the frames: after all ticks
BEGIN = 1_700_000_040_000_000
# The long form of the memory run; BENCH_TICKS=20000000 asks for it.
MEMORY_TICKS = int(os.environ.get("BENCH_TICKS", "4000000"))


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return rates in ticks per CPU second of one core, and ratios, all of one run."""
    ticks = some_ticks(TICKS)
    say("ticks: builder, pandas, bare loop")
    rates = _aggregators(ticks)
    return {
        "ticks to bars, builder, batches of 200": rates["batches"],
        "ticks to bars, builder, one batch": rates["whole"],
        "ticks to bars, pandas groupby": rates["pandas"],
        "ticks to bars, bare numba loop": rates["bare"],
        "builder to pandas": round(rates["batches"] / rates["pandas"], 1),
        "builder to bare loop": round(rates["whole"] / rates["bare"], 2),
        **_road(ticks, say),
    }


def some_ticks(count: int, begin: int = BEGIN) -> TickArray:
    """Return ticks of many instruments in rising time over an hour, always the same."""
    rng = np.random.default_rng(7)
    ticks = np.zeros(count, dtype=TICK)
    ticks["ts"] = begin + np.sort(rng.integers(0, SPAN_MINUTES * MINUTE, count))
    ticks["instrument"] = rng.integers(1, INSTRUMENTS + 1, count)
    ticks["price"] = 100 + np.cumsum(rng.normal(0, 1e-3, count))
    ticks["size"] = rng.integers(1, 100, count)
    return ticks


def _aggregators(ticks: TickArray) -> dict[str, int]:
    import pandas as pd  # noqa: PLC0415 - a second to load, for this benchmark alone

    frame = pd.DataFrame({name: ticks[name] for name in ("ts", "price", "size", "instrument")})
    bare = _bare_loop()
    bare(ticks)
    ways: dict[str, Callable[[], int]] = {
        "batches": lambda: _build(ticks, TICKS_PER_FRAME),
        "whole": lambda: _build(ticks, len(ticks)),
        "pandas": lambda: _pandas(frame),
        "bare": lambda: int(bare(ticks)),
    }
    _build(ticks[:1000], 200)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    counts = set()
    for _ in range(RUNS):  # interleaved: a slow moment of the machine meets them all
        for name, way in ways.items():
            began = time.process_time()
            counts.add(way())
            seconds[name].append(time.process_time() - began)
    if len(counts) != 1:
        raise RuntimeError(f"the ways made different numbers of bars: {sorted(counts)}")
    return {name: round(len(ticks) / median(taken)) for name, taken in seconds.items()}


def _build(ticks: TickArray, size: int) -> int:
    builder = BarBuilder(range(1, INSTRUMENTS + 1), Timeframe.M1)
    for begin in range(0, len(ticks), size):
        builder.add(ticks[begin : begin + size])
    return len(builder.close(2**61))


def _pandas(frame: Any) -> int:
    grouped = frame.groupby(["instrument", frame["ts"] // (MINUTE)], sort=False)
    bars = grouped.agg(
        open=("price", "first"),
        high=("price", "max"),
        low=("price", "min"),
        close=("price", "last"),
        volume=("size", "sum"),
    )
    return len(bars)


def _bare_loop() -> Callable[[TickArray], int]:
    """Return the least code that makes bars: ticks in order, nothing checked, no tolerance."""
    from numba import njit  # noqa: PLC0415 - half a second to load

    @njit
    def loop(ticks):  # type: ignore[no-untyped-def]
        bars = np.zeros((INSTRUMENTS + 1, 6))
        minute_of = np.full(INSTRUMENTS + 1, -1)
        made = 0
        for tick in ticks:
            one, price, minute = tick["instrument"], tick["price"], tick["ts"] // (MINUTE)
            if minute_of[one] != minute:
                made += 1
                minute_of[one] = minute
                bars[one, :4] = price
                bars[one, 4] = 0.0
            bars[one, 1] = max(bars[one, 1], price)
            bars[one, 2] = min(bars[one, 2], price)
            bars[one, 3] = price
            bars[one, 4] += tick["size"]
        return made

    made: Callable[[TickArray], int] = loop
    return made


def _road(ticks: TickArray, say: Callable[[str], None]) -> dict[str, Any]:
    """Return what the road through a real Redis does: rates, time inside, memory."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        Path(folder).chmod(0o711)
        cluster = start_cluster(Path(folder) / "data")
        try:
            with Redis.from_url(cluster.redis_url, socket_timeout=5.0) as redis:
                say("ticks: through Redis")
                stream = TickStream(redis, 1)
                began = time.process_time()
                for begin in range(0, len(ticks), FRAMES_PER_WRITE * TICKS_PER_FRAME):
                    stream.write(ticks[begin : begin + FRAMES_PER_WRITE * TICKS_PER_FRAME], LATER)
                written = time.process_time() - began
                rates = [_read_all(stream) for _ in range(RUNS)]
                say("ticks: at a live pace")
                inside = _live(TimedStream(redis, 2), ticks)
                say(f"ticks: memory over {MEMORY_TICKS:,} of them")
                grown = _memory(TickStream(redis, 3))
        finally:
            cluster.stop()
    return {
        "ticks written to Redis per CPU second": round(len(ticks) / written),
        "ticks from Redis to bars per CPU second": round(median(rates)),
        "tick in the consumer p50, p99 ms": [round(one, 3) for one in inside],
        f"memory grown over {MEMORY_TICKS:,} ticks MB": grown,
    }


def _reader(stream: TickStream) -> TickBars:
    return TickBars(
        stream,
        instruments=range(1, INSTRUMENTS + 1),
        timeframe=Timeframe.M1,
        cursor="",
        sealed_to=BEGIN,
    )


def _read_all(stream: TickStream) -> float:
    """Return ticks per CPU second from the stream's frames to closed bars."""
    reader = _reader(stream)
    total, began = 0, time.process_time()
    while count := reader.read(wait_ms=1):
        total += count
        _close(reader)
    return total / (time.process_time() - began)


def _close(reader: TickBars) -> int:
    """Close what every instrument has passed; return up to where."""
    closed_to = int(reader.newest()["ts"].min()) // MINUTE * MINUTE
    reader.close(closed_to)
    return closed_to


class TimedStream(TickStream):
    """A stream that remembers when its last read came back."""

    returned_at = 0.0

    def read(self, after: str, *, wait_ms: int) -> list[StreamEntry]:
        """Return the next entries."""
        entries = super().read(after, wait_ms=wait_ms)
        self.returned_at = time.perf_counter()
        return entries


def _live(stream: TimedStream, ticks: TickArray) -> tuple[float, float]:
    """Return p50 and p99 (ms) of a tick from its arrival to its bar, at 100,000 ticks a second."""

    def write() -> None:
        began = time.perf_counter()
        for number in range(LIVE_FRAMES):
            begin = number * TICKS_PER_FRAME
            stream.write(ticks[begin : begin + TICKS_PER_FRAME], LATER)
            time.sleep(max(0.0, began + number * LIVE_PAUSE_SECONDS - time.perf_counter()))

    reader = _reader(stream)
    writer = Thread(target=write)
    writer.start()
    times: list[float] = []
    seen = 0
    while seen < LIVE_FRAMES * TICKS_PER_FRAME:
        count = reader.read(wait_ms=100)
        seen += count
        # Each tick of a batch has waited until the last of it is in its bar.
        times += [(time.perf_counter() - stream.returned_at) * 1000] * count
    writer.join()
    return float(np.percentile(times, 50)), float(np.percentile(times, 99))


def _memory(stream: TickStream) -> float:
    """Return how many MB this process has grown while the ticks passed through, in minutes."""
    reader = _reader(stream)
    chunk = some_ticks(200_000)
    held: list[float] = []
    for number in range(MEMORY_TICKS // len(chunk)):
        chunk["ts"] += SPAN_MINUTES * MINUTE if number else 0
        for begin in range(0, len(chunk), FRAMES_PER_WRITE * TICKS_PER_FRAME):
            stream.write(chunk[begin : begin + FRAMES_PER_WRITE * TICKS_PER_FRAME], LATER)
        while reader.read(wait_ms=1):
            stream.acknowledge(reader.cursor(_close(reader)))
        held.append(_resident())
    return round(held[-1] - held[0], 1)


def _resident() -> float:
    """Return the memory this process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
