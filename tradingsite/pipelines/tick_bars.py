"""The reader of a tick stream: validates, builds bars, knows where a restart must read again."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.bars import Bar, Timeframe
from domain.ticks import TICK, TickArray, joined_ticks
from marketdata.bar_builder import BarBuilder, bar_of
from marketdata.services.tick_stream import BEGINNING, ENTRIES_PER_READ, StreamEntry, TickStream
from marketdata.tick_coverage import JOIN_MARGIN, TickCoverage
from marketdata.tick_frames import TickReason, check_ticks
from tradingsite.pipelines.tick_link import micros_now

MICROS = 1_000_000
TOLERANCE_SECONDS = 2.0
FOR_EVER = 2**62
# Offsets are remembered per so many entries: a restart reads a few frames more than it must.
ENTRIES_PER_MARK = 64


@dataclass
class _Kept:
    """Entries read after the offset `after`; they matter to bars that close after `needed_to`."""

    after: str
    needed_to: int
    entries: int = 1
    is_alone: bool = False  # a hole's mark: nothing is added to it


class TickBars:
    """Bars of one base timeframe from a stream's ticks, read on from a committed offset."""

    def __init__(
        self,
        stream: TickStream,
        *,
        instruments: Sequence[int],
        timeframe: Timeframe,
        cursor: str,
        sealed_to: int,
        keep_ticks: bool = False,
    ) -> None:
        self.counts = np.zeros(len(TickReason), dtype=np.int64)
        self.damaged = 0
        self.builder = BarBuilder(
            instruments, timeframe, tolerance_seconds=TOLERANCE_SECONDS, closed_to=sealed_to
        )
        self.builder.add(np.zeros(0, dtype=TICK))  # the machine code is made before ticks come
        self._stream = stream
        self._length = timeframe.seconds * MICROS
        has_begun = bool(cursor) and not stream.has_lost(cursor)
        self.coverage = TickCoverage(
            whole_to=sealed_to,
            is_connected=has_begun,
            tolerance=round(TOLERANCE_SECONDS * MICROS),
        )
        self._read_to = cursor if has_begun else BEGINNING
        # A hole without a mark of its own begins the reading: only '' says so after a restart.
        self._hole: _Kept | None = None if has_begun else _Kept("", FOR_EVER, is_alone=True)
        self._kept: deque[_Kept] = deque([self._hole] if self._hole else [])
        self._began_at = micros_now()
        self._written_at = 0
        self._is_drained = False
        self._ticks: list[TickArray] | None = [] if keep_ticks else None
        self._closed_to = sealed_to

    def read(self, *, wait_ms: int) -> int:
        """Take the next entries in; return how many ticks they held."""
        entries = self._stream.read(self._read_to, wait_ms=wait_ms)
        self._is_drained = len(entries) < ENTRIES_PER_READ
        total = 0
        for entry in entries:
            total += self._take(entry)
            self._read_to = entry.id
            self._written_at = max(self._written_at, entry.at)
        return total

    def clock(self, now: int) -> int:
        """Return the instant up to which everything written has been read."""
        return now if self._is_drained else self._written_at

    def is_ready(self, closed_at: int, *, grace: int, now: int) -> bool:
        """Tell whether no tick of bars closing at the instant is worth waiting for."""
        return self.clock(now) >= closed_at + grace or self.builder.has_passed(closed_at)

    def is_whole(self, closed_at: int) -> bool:
        """Tell whether the ticks of the bars closing at the instant are all there."""
        return self.coverage.is_whole(closed_at - self._length, closed_at)

    def close(self, closed_at: int) -> dict[int, Bar]:
        """Return the bars that close at the instant, by instrument; nothing before it comes."""
        rows = self.builder.close(closed_at)
        self._closed_to = closed_at
        due = rows[rows["closed_at"] == closed_at]
        return {int(row["instrument"]): bar_of(row) for row in due}

    def cursor(self, closed_at: int) -> str:
        """Return the offset a restart must read on from, once the instant is sealed."""
        self.coverage.forget(closed_at)
        while self._kept and self._kept[0].needed_to <= closed_at:
            self._kept.popleft()
        return self._kept[0].after if self._kept else self._read_to

    def take_ticks(self, closed_at: int) -> TickArray:
        """Return, and let go of, the raw ticks before the instant, in order of arrival."""
        if not self._ticks:
            return np.zeros(0, dtype=TICK)
        held = joined_ticks(self._ticks)
        is_due = held["ts"] < closed_at
        self._ticks = [held[~is_due]]
        return held[is_due]

    def newest(self) -> NDArray[Any]:
        """Return the newest tick of each instrument."""
        return self.builder.newest()

    def take_counts(self) -> dict[str, int]:
        """Return how many ticks were fine, and refused by reason, since the last call."""
        taken = {
            TickReason(reason).name.lower(): int(self.counts[reason])
            for reason in np.flatnonzero(self.counts).tolist()
        }
        if self.damaged:
            taken["damaged_frame"] = self.damaged
        self.counts[:] = 0
        self.damaged = 0
        return taken

    def _take(self, entry: StreamEntry) -> int:
        if entry.ticks is not None:
            return self._take_ticks(entry, entry.ticks)
        if entry.joined_at is not None:
            self.coverage.joined(entry.joined_at)
            self._close_hole(entry.joined_at + JOIN_MARGIN)
        elif entry.left_at is not None:
            self._open_hole()
            self.coverage.left(entry.left_at)
        else:
            # Ticks were in it: what follows counts from a second after it was written.
            self.damaged += 1
            self._open_hole()
            self.coverage.joined(entry.at)
            self._close_hole(entry.at + JOIN_MARGIN)
        return 0

    def _take_ticks(self, entry: StreamEntry, ticks: TickArray) -> int:
        # Judged by when it was written: read again after a restart, a tick is judged the same.
        reasons = check_ticks(ticks, now_micros=entry.at)
        counts = np.bincount(reasons, minlength=len(TickReason))
        if counts[TickReason.FINE] < len(ticks):
            ticks = ticks[reasons == TickReason.FINE]
        self.builder.add(ticks)
        late = self.builder.counts
        if entry.at >= self._began_at:  # older ones were counted before a restart
            self.counts += counts + late
            self.counts[TickReason.FINE] -= late.sum()
        late[:] = 0
        if not len(ticks):
            return 0
        newest = int(ticks["ts"].max())
        self.coverage.saw(newest)
        self._note(newest + 1)
        if self._ticks is not None:
            open_ones = ticks["ts"] >= self._closed_to
            self._ticks.append(ticks if open_ones.all() else ticks[open_ones])
        return len(ticks)

    def _note(self, needed_to: int) -> None:
        last = self._kept[-1] if self._kept else None
        if last is None or last.is_alone or last.entries >= ENTRIES_PER_MARK:
            self._kept.append(_Kept(self._read_to, needed_to))
        else:
            last.entries += 1
            last.needed_to = max(last.needed_to, needed_to)

    def _open_hole(self) -> None:
        if self._hole is None:
            self._hole = _Kept(self._read_to, FOR_EVER, is_alone=True)
            self._kept.append(self._hole)

    def _close_hole(self, needed_to: int) -> None:
        if self._hole is None:
            self._kept.append(_Kept(self._read_to, needed_to, is_alone=True))
        else:
            self._hole.needed_to = needed_to
            self._hole = None
