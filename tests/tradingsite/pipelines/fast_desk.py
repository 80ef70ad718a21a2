"""A live stream on a clock of its own: a tick server, files as history, the real feed process."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

import numpy as np
from django.db import connection

from domain.bars import Bar as BarValue
from domain.bars import Timeframe, from_micros, to_micros
from domain.ticks import TICK, TickArray
from marketdata.models import Bar, Instrument, Provider, ProviderSymbol, Stream
from tests.marketdata.feeds.tick_server import TickServer, tick_message
from tradingsite.env import CHECKOUT, with_database_name

MICROS = 1_000_000
MINUTE = 60 * MICROS
# Long, for on a clock that runs fast a busy machine is late by seconds.
GRACE_SECONDS = 15
SYMBOLS = ("ALPHA", "BETA", "GAMMA")

# `manage.py feed` as it is, on a machine whose clock runs faster.
LAUNCHER = """
import sys, time
real, began, shown, speed = time.time_ns, *map(int, sys.argv[1:4])
time.time_ns = lambda: shown + (real() - began) * speed
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "feed", "--stream", sys.argv[4]])
"""


@dataclass(frozen=True)
class FastClock:
    """A clock that shows `shown` at `began` (nanoseconds) and runs `speed` times as fast."""

    began: int
    shown: int
    speed: int
    real: ClassVar[Callable[[], int]] = time.time_ns

    def micros(self) -> int:
        """Return what it shows, in epoch microseconds."""
        return (self.shown + (FastClock.real() - self.began) * self.speed) // 1000

    def wait_until(self, micros: int) -> None:
        """Return when it shows the instant."""
        while (left := micros - self.micros()) > 0:
            time.sleep(min(0.05, left / self.speed / MICROS))


def seeded_ticks(first: int, minutes: int, ids: dict[str, int], seed: int) -> TickArray:
    """Return ticks of whole sizes over the minutes, up to a second out of order, some silence."""
    rng = np.random.default_rng(seed)
    count = minutes * 90
    ticks = np.zeros(count, dtype=TICK)
    due = np.sort(first + rng.integers(0, minutes * MINUTE, count))
    ticks["ts"] = due - rng.integers(0, MICROS, count)
    ticks["ts"] = np.maximum(ticks["ts"], first) // 1000 * 1000  # the protocol's milliseconds
    ticks["price"] = np.round(100 + np.cumsum(rng.normal(0, 0.05, count)), 2)
    ticks["size"] = rng.integers(1, 50, count)
    ticks["instrument"] = rng.choice(list(ids.values()), count, p=[0.6, 0.37, 0.03])
    return ticks


def reference_bars(ticks: TickArray, timeframe: Timeframe) -> dict[tuple[int, int], BarValue]:
    """Return the bars of all ticks by instrument and closing instant, in plain Python."""
    length = timeframe.seconds * MICROS
    found: dict[tuple[int, int], list[tuple[int, int, float, float]]] = {}
    for place, (ts, price, size, instrument, _) in enumerate(ticks.tolist()):
        found.setdefault((instrument, ts // length * length), []).append((ts, place, price, size))
    bars = {}
    for (instrument, opened_at), rows in found.items():
        rows.sort()
        prices = [row[2] for row in rows]
        bars[instrument, opened_at + length] = BarValue(
            from_micros(opened_at),
            from_micros(opened_at + length),
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            float(sum(row[3] for row in rows)),
        )
    return bars


def stored_bars(timeframe: Timeframe) -> dict[tuple[int, int], BarValue]:
    """Return the stored bars as the reference names them."""
    return {
        (bar.instrument_id, to_micros(bar.closed_at)): BarValue(
            *(bar.opened_at, bar.closed_at, bar.open, bar.high, bar.low, bar.close, bar.volume)
        )
        for bar in Bar.objects.filter(timeframe=timeframe.value)
    }


def write_history(folder: Path, ids: dict[str, int], bars: dict[tuple[int, int], BarValue]) -> None:
    """Write the one-minute bars as the `files` feed reads them."""
    names = {number: symbol for symbol, number in ids.items()}
    lines: dict[str, list[str]] = {symbol: [] for symbol in ids}
    for (instrument, _), bar in sorted(bars.items(), key=lambda one: one[0][1]):
        values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
        opened = f"{bar.opened_at:%Y-%m-%dT%H:%M:%SZ}"
        lines[names[instrument]].append(",".join([opened, *map(str, values)]))
    for symbol, rows in lines.items():
        text = "\n".join(["ts,open,high,low,close,volume", *rows, ""])
        (folder / f"LAB_{symbol}_1m.csv").write_text(text, encoding="ascii")


def make_stream(
    server: TickServer,
    folder: Path,
    sealed_to: int,
    *,
    name: str = "lab",
    timeframes: tuple[str, ...] = ("1m", "5m"),
    calendar: str = "24/7",
    mute_after_seconds: float = 10.0,
) -> tuple[Stream, dict[str, int]]:
    """Return a live stream of three instruments, ticks from the server, history from the folder."""
    terms = {"venue": "LAB", "currency": "USD", "calendar": calendar}
    numbers = {"tick_size": Decimal("0.01"), "lot_size": Decimal(1)}
    ids = {
        symbol: Instrument.objects.create(symbol=symbol, kind="crypto", **terms, **numbers).pk
        for symbol in SYMBOLS
    }
    bridge = Provider.objects.create(
        name="bridge",
        feed="websocket",
        priority=1,
        options={"url": server.url},
        mute_after_seconds=mute_after_seconds,
    )
    for symbol, pk in ids.items():
        ProviderSymbol.objects.create(provider=bridge, instrument_id=pk, symbol=symbol.lower())
    files = Provider.objects.create(
        name="archive", feed="files", priority=2, options={"folder": str(folder)}
    )
    stream = Stream.objects.create(
        name=name,
        kind="live",
        feed="websocket",
        timeframes=list(timeframes),
        sealed_to=from_micros(sealed_to),
        grace_seconds=GRACE_SECONDS,
    )
    stream.instruments.set(ids.values())
    stream.providers.set([bridge, files])
    return stream, ids


def start_feed(stream: str, clock: FastClock, log: Path) -> subprocess.Popen[bytes]:
    """Start the feed process on this test's database."""
    name = connection.settings_dict["NAME"]
    env = {
        **os.environ,
        "DATABASE_URL": with_database_name(os.environ["DATABASE_URL"], name),
        "DJANGO_SETTINGS_MODULE": "tradingsite.settings.test",
    }
    numbers = (str(number) for number in (clock.began, clock.shown, clock.speed))
    with log.open("ab") as said:
        return subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, *numbers, stream],
            cwd=CHECKOUT,
            env=env,
            stdout=said,
            stderr=said,
        )


class TickPlayer:
    """Sends the ticks when the clock shows their time; nobody listening means they are gone."""

    def __init__(
        self, server: TickServer, clock: FastClock, ticks: TickArray, ids: dict[str, int]
    ) -> None:
        self._server, self._clock = server, clock
        names = {number: symbol.lower() for symbol, number in ids.items()}
        self._messages = [
            (ts, tick_message(names[instrument], price, from_micros(ts), size))
            for ts, price, size, instrument, _ in ticks.tolist()
        ]
        self.stop = Event()
        self._thread = Thread(target=self._play, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _play(self) -> None:
        newest = 0
        at = 0
        while at < len(self._messages) and not self.stop.is_set():
            # In order of sending: a tick that is out of order is late, never early.
            newest = max(newest, self._messages[at][0])
            self._clock.wait_until(newest)
            batch = []
            while at < len(self._messages) and self._messages[at][0] <= newest:
                batch.append(self._messages[at][1])
                at += 1
            self._server.ticks(batch)
