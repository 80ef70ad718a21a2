"""Ticks become bars of one short timeframe; longer bars are resampled from those, never from ticks.

Whatever way the ticks are cut into frames, and in whatever order they come inside the tolerance,
the bars are the same. What is held: two open bars per instrument, and closed ones not yet fetched.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.bars import Bar, Timeframe, from_micros
from domain.errors import PlumblineError
from domain.ticks import TICK, TickArray
from marketdata.tick_frames import TickReason

MICROS = 1_000_000
FIRST_BUFFER = 1024
# A tick that comes up to two seconds after a newer one of its instrument still counts.
TOLERANCE_SECONDS = 2.0
NEVER = -(2**62)

BUILT_BAR = np.dtype(
    [
        ("opened_at", "<i8"),
        ("closed_at", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),  # NaN as soon as one size is not known
        ("rest", "<f8"),  # what rounding took from the volume while it was summed
        ("first_ts", "<i8"),
        ("last_ts", "<i8"),
        ("ticks", "<i8"),
        ("instrument", "<i8"),
    ]
)
BuiltBars = NDArray[np.void]  # rows of BUILT_BAR
# An instrument's newest tick, and the bar that got a tick last: most go where the last one went.
NEWEST = np.dtype(
    [
        ("ts", "<i8"),
        ("price", "<f8"),
        ("instrument", "<i8"),
        ("opened_at", "<i8"),
        ("slot", "<i8"),
    ]
)


class BadToleranceError(PlumblineError):
    """The builder cannot work with this tolerance or timeframe."""

    code = "bad_tolerance"


class BarBuilder:
    """Bars in the making, of any number of instruments. Give it only ticks `check_ticks` passed."""

    def __init__(
        self,
        instruments: Sequence[int],
        timeframe: Timeframe,
        *,
        tolerance_seconds: float = TOLERANCE_SECONDS,
        closed_to: int = NEVER,
    ) -> None:
        if timeframe.seconds > Timeframe.H1.seconds:
            raise BadToleranceError(f"ticks make bars of up to 1h, not {timeframe.value}")
        if not 0 <= tolerance_seconds <= timeframe.seconds:
            raise BadToleranceError(
                f"a tolerance of {tolerance_seconds:g} s does not lie between 0 and one bar"
                f" ({timeframe.seconds} s)"
            )
        # numba takes half a second to load: only who builds bars pays.
        from marketdata.bar_kernel import add_ticks, close_bars  # noqa: PLC0415

        self._add, self._close = add_ticks, close_bars
        self.counts = np.zeros(len(TickReason), dtype=np.int64)
        self._length = timeframe.seconds * MICROS
        self._tolerance = round(tolerance_seconds * MICROS)
        self._closed_to = closed_to
        # Instrument numbers are serial, so a table of places costs 4 bytes a number.
        ids = np.array(sorted(set(instruments)), dtype=np.int64)
        self._first_id = int(ids[0]) if len(ids) else 0
        self._places = np.full(int(ids[-1]) - self._first_id + 1 if len(ids) else 0, -1, np.int32)
        self._places[ids - self._first_id] = np.arange(len(ids))
        self._open = np.zeros((len(ids), 2), dtype=BUILT_BAR)
        self._newest = np.zeros(len(ids), dtype=NEWEST)
        self._newest["ts"], self._newest["instrument"] = NEVER, ids
        self._newest["opened_at"] = NEVER
        self._done = np.empty(FIRST_BUFFER, dtype=BUILT_BAR)
        self._used = 0

    def add(self, ticks: TickArray) -> None:
        """Take ticks in order of arrival; late and unknown ones are only counted."""
        # One kind of array, so that one piece of machine code serves all callers.
        rows = ticks
        if ticks.dtype is not TICK or not (ticks.flags.c_contiguous and ticks.flags.aligned):
            rows = np.require(ticks, dtype=TICK, requirements=("C", "A"))
        if rows.flags.writeable:
            rows = rows.view()
            rows.flags.writeable = False
        at = 0
        while True:
            at, self._used = self._add(
                rows,
                at,
                self._places,
                self._first_id,
                self._open,
                self._newest,
                self._closed_to,
                self._length,
                self._tolerance,
                self._done,
                self._used,
                self.counts,
            )
            if at == len(rows):
                return
            self._done = np.concatenate([self._done, np.empty_like(self._done)])

    def close(self, until: int) -> BuiltBars:
        """Return the bars that close by `until` (micros), by closing time, then instrument.

        From now on ticks before `until` are late. It never moves back.
        """
        until -= until % self._length
        room = self._used + 2 * len(self._open)
        if room > len(self._done):
            self._done = np.concatenate([self._done, np.empty(room, dtype=BUILT_BAR)])
        self._used = self._close(self._open, until, self._done, self._used)
        held = self._done[: self._used]
        is_due = held["closed_at"] <= until
        bars, kept = held[is_due], held[~is_due].copy()
        bars["volume"] += bars["rest"]
        self._done = np.empty(max(FIRST_BUFFER, len(kept)), dtype=BUILT_BAR)
        self._done[: len(kept)] = kept
        self._used = len(kept)
        self._closed_to = max(self._closed_to, until)
        return bars[np.lexsort((bars["instrument"], bars["closed_at"]))]

    def has_passed(self, until: int) -> bool:
        """Tell whether every instrument has shown that no tick before `until` can still count."""
        return bool((self._newest["ts"] >= until + self._tolerance).all())

    def newest(self) -> NDArray[np.void]:
        """Return `NEWEST` rows: the newest tick of each instrument that has had one."""
        found: NDArray[np.void] = self._newest[self._newest["ts"] > NEVER]
        return found


def bar_of(row: np.void) -> Bar:
    """Return one built bar; a NaN volume becomes None."""
    volume = float(row["volume"])
    return Bar(
        from_micros(row["opened_at"]),
        from_micros(row["closed_at"]),
        float(row["open"]),
        float(row["high"]),
        float(row["low"]),
        float(row["close"]),
        None if np.isnan(volume) else volume,
    )
