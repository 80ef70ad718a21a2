"""Indicators stepped over bars: block by block in batch, bar by bar when live, the same bits."""

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf, nan
from typing import Any

import numpy as np

from domain.bars import (
    Bar,
    BarSeries,
    FloatArray,
    IntArray,
    Split,
    Timeframe,
    from_micros,
    period_start,
    series_of,
    to_micros,
)
from domain.errors import PlumblineError
from marketdata.indicators.columns import (
    BESIDE,
    CLOSE,
    CLOSED,
    COLUMNS,
    HIGH,
    LOW,
    OPEN,
    OPENED,
    VOLUME,
)
from marketdata.indicators.compiled import over_slots
from marketdata.indicators.registry import Indicator

# Instants at which bars opened to the columns after CLOSED: what is known beside the bars.
Extras = Callable[[IntArray], FloatArray]
# What one instant's folds were told, and its bytes: those of one calendar ask once.
Told = dict[tuple[Extras, int], tuple[FloatArray, bytes]]

Values = tuple[float | None, ...]

BAR_BYTES = np.dtype([("opened", "<i8"), ("closed", "<i8"), ("values", "<f8", 5)])
_SPLIT_BYTES = struct.Struct("<qd")
_NOWHERE = np.zeros(1, dtype=np.int64)


class UnusableBarError(PlumblineError):
    """A price is missing, infinite or inverted, or a split ratio is not positive."""

    code = "unusable_bar"


class BarOrderError(PlumblineError):
    """Bars must rise in time and belong to the block that is stepped."""

    code = "bar_order"


@dataclass(frozen=True)
class Block:
    """What a deciding bar's values depend on besides bars: its period and the splits so far."""

    period_start: datetime
    splits: tuple[Split, ...]


def block_of(timeframe: Timeframe, opened_at: datetime, splits: Sequence[Split] = ()) -> Block:
    """Return the block of a deciding bar: its period, and the splits effective by its opening."""
    known = [split for split in splits if split.effective_at <= opened_at]
    known.sort(key=lambda split: (split.effective_at, split.ratio))
    return Block(period_start(timeframe, opened_at), tuple(known))


def lead_length(indicators: Sequence[Indicator]) -> int:
    """Return how many bars before the period a fold wants: the longest warm-up."""
    return max(indicator.warmup for indicator in indicators)


def outputs_over(
    indicators: Sequence[Indicator], columns: FloatArray, starts: Sequence[int] = ()
) -> list[FloatArray]:
    """Return per indicator its outputs and, last, its normalised value at every bar.

    `columns` is COLUMNS x n, C-contiguous; each fold begins at bar 0, or at its `starts`.
    """
    size = columns.shape[1]
    found = []
    for place, indicator in enumerate(indicators):
        start = starts[place] if starts else 0
        out = np.empty((1, len(indicator.outputs) + 1, size - start))  # a kernel writes it all
        states, now = np.zeros((1, indicator.size)), np.full((1, 4, 1), nan)
        _run(indicator, columns, start, states, out, now, 0)
        found.append(out[0])
    return found


def _run(
    indicator: Indicator,
    columns: FloatArray,
    start: int,
    states: FloatArray,
    out: FloatArray,
    now: FloatArray,
    column: int,
) -> None:
    """Step one series from the beginning of its fold, bar `start`, to its last bar."""
    begin, end = (np.array([one], dtype=np.int64) for one in (start, columns.shape[1]))
    numbers = np.array(indicator.numbers, dtype=np.float64)
    over_slots(indicator.kernel)(
        *(columns[np.newaxis], _NOWHERE, begin, begin, end, states, numbers, out, now, column)
    )


class Panel:
    """The states of many folds over the same indicators, side by side: one call moves them all.

    A slot is one fold. Its last bars stay in a sliding array as far back as any kernel looks.
    """

    def __init__(self, indicators: Sequence[Indicator], slots: int = 1, room: int = 64) -> None:
        self.indicators = tuple(indicators)
        self._kept = max(one.lookback for one in self.indicators)
        self._rows = self._kept + room
        self._numbers = [np.array(one.numbers, dtype=np.float64) for one in self.indicators]
        self._kernels: list[Any] = []
        self._free = list(range(slots))[::-1]
        self._bars = np.zeros((slots, COLUMNS, self._rows))
        self._filled = np.zeros(slots, dtype=np.int64)
        self._ages = np.zeros((len(self.indicators), slots), dtype=np.int64)
        self._states = [np.zeros((slots, one.size)) for one in self.indicators]
        self._outs = [np.full((slots, len(one.outputs) + 1, 1), nan) for one in self.indicators]
        self._scratch = np.empty(0)  # outputs at every bar of a slot's beginning, one at a time
        # raw, normalised, and both one bar before
        self._now = np.full((slots, 4, len(self.indicators)), nan)

    def slot(self) -> int:
        """Return a slot nobody uses."""
        if not self._free:
            self._grow()
        return self._free.pop()

    def leave(self, slot: int) -> None:
        """Give a slot back."""
        self._free.append(slot)

    def begin(self, slot: int, columns: FloatArray, starts: Sequence[int]) -> None:
        """Start the slot's folds anew over `columns`, each at its own bar of `starts`."""
        size = columns.shape[1]
        wanted = max(len(one.outputs) + 1 for one in self.indicators) * max(size, 1)
        if len(self._scratch) < wanted:
            self._scratch = np.empty(wanted)
        now = self._now[slot : slot + 1]
        now[:] = nan
        for place, (indicator, start) in enumerate(zip(self.indicators, starts, strict=True)):
            state = self._states[place][slot : slot + 1]
            state[:] = 0.0
            rows, width = len(indicator.outputs) + 1, max(size - start, 1)
            out = self._scratch[: rows * width].reshape(1, rows, width)
            out.fill(nan)
            _run(indicator, columns, start, state, out, now, place)
            self._outs[place][slot, :, 0] = out[0, :, -1]
            self._ages[place, slot] = size - start
        kept = min(size, self._kept)
        self._bars[slot, :, :kept] = columns[:, size - kept :]
        self._filled[slot] = kept

    def step(self, slots: IntArray, columns: FloatArray) -> None:
        """Move the folds of `slots` by one bar each; `columns` is len(slots) x COLUMNS."""
        if not self._kernels:
            self._kernels = [over_slots(one.kernel) for one in self.indicators]
        self._make_room(slots)
        firsts = self._filled[slots]
        lasts = firsts + 1
        self._bars[slots, :, firsts] = columns
        starts = np.ascontiguousarray(firsts - self._ages[:, slots])
        for place, kernel in enumerate(self._kernels):
            kernel(
                *(self._bars, slots, starts[place], firsts, lasts, self._states[place]),
                *(self._numbers[place], self._outs[place], self._now, place),
            )
        self._ages[:, slots] += 1
        self._filled[slots] = lasts

    def _make_room(self, slots: IntArray) -> None:
        for slot in slots[self._filled[slots] == self._rows].tolist():
            self._bars[slot, :, : self._kept] = self._bars[slot, :, self._rows - self._kept :]
            self._filled[slot] = self._kept

    def _grow(self) -> None:
        size = len(self._filled)

        def doubled(array: Any, axis: int = 0) -> Any:
            return np.concatenate([array, np.zeros_like(array)], axis=axis)

        self._bars, self._filled = doubled(self._bars), doubled(self._filled)
        self._ages = doubled(self._ages, 1)
        self._states = [doubled(one) for one in self._states]
        self._outs = [doubled(one) for one in self._outs]
        self._now = doubled(self._now)
        self._free = list(range(size, 2 * size))[::-1]

    def row(self, slot: int, place: int) -> tuple[float, ...]:
        """Return every output and, last, the normalised value of one indicator now."""
        return tuple(self._outs[place][slot, :, 0].tolist())

    def values(self, slot: int) -> list[Values]:
        """Return raw, normalised, and both one bar before; None where there is no value."""
        rows: list[list[float]] = self._now[slot].tolist()
        return [tuple([None if one != one else one for one in row]) for row in rows]  # noqa: PLR0124


class BlockFold:
    """The indicators' state after the last bar stepped; a cache, rebuilt to the same bits.

    Built with the raw bars known so far, in rising order: of those before the period the last
    `lead_length` are used, fewer when history is short; each indicator starts its own warm-up
    before the period. `step` takes the bars that follow.
    """

    def __init__(
        self,
        indicators: Sequence[Indicator],
        block: Block,
        bars: BarSeries | Sequence[Bar] = (),
        *,
        panel: Panel | None = None,
        extras: Extras | None = None,
    ) -> None:
        self.indicators = tuple(indicators)
        self.block = block
        self._extras = extras if wants_extras(indicators) else None
        self._panel = panel or Panel(self.indicators)
        self._splits = checked_splits(block)
        self._period = to_micros(block.period_start)
        series = bars if isinstance(bars, BarSeries) else series_of(bars)
        period = int(np.searchsorted(series.opened_at, self._period))
        leading = min(period, lead_length(indicators))
        series = series[period - leading :]
        check_bars(series)
        self._first = int(series.opened_at[0]) if len(series) else None
        self._last = int(series.opened_at[-1]) if len(series) else None
        columns = columns_of(series, self._splits)
        facts = bar_bytes(series)
        if self._extras and len(series):
            columns[BESIDE:] = self._extras(series.opened_at)
            facts = _interleaved(facts, columns[BESIDE:])
        self._digest = hashlib.sha256(_block_bytes(block))
        self._digest.update(facts)
        self._slot = self._panel.slot()
        starts = [max(0, leading - one.warmup) for one in self.indicators]
        self._panel.begin(self._slot, columns, starts)

    def step(self, bar: Bar) -> None:
        """Move every indicator by one bar of the period."""
        step_together([self], [bar])

    def leave(self) -> None:
        """Give the place in the panel back; the fold is of no use afterwards."""
        self._panel.leave(self._slot)

    def take(self, opened: int, row: FloatArray, facts: memoryview, told: Told) -> None:
        """Note the bar that comes next; put what stands beside it into its columns.

        `row` holds its raw columns, adjusted here for the block's splits.
        """
        if self._last is not None and opened <= self._last:
            raise BarOrderError(f"the bar opened {from_micros(opened)} is not after the last one")
        if opened < self._period:
            raise BarOrderError(
                f"the bar opened {from_micros(opened)} is not in the period"
                f" from {self.block.period_start}"
            )
        self._digest.update(facts)
        self._first = opened if self._first is None else self._first
        self._last = opened
        for effective, ratio in self._splits:
            if opened < effective:
                row[OPEN : CLOSE + 1] /= ratio
                row[VOLUME] *= ratio
        if self._extras:
            known = told.get((self._extras, opened))
            if known is None:
                beside = self._extras(np.array([opened], dtype=np.int64))[:, 0]
                known = told[self._extras, opened] = (beside, beside.tobytes())
            row[BESIDE:], facts_beside = known
            self._digest.update(facts_beside)

    @property
    def values(self) -> list[Values]:
        """Return raw and normalised values at the last bar, and both one bar before.

        In the indicators' order; None where one has no value.
        """
        return self._panel.values(self._slot)

    @property
    def raw(self) -> Values:
        """Return each indicator's raw value at the last bar."""
        return self.values[0]

    @property
    def normalised(self) -> Values:
        """Return each indicator's value in -1…+1 at the last bar."""
        return self.values[1]

    def outputs(self, place: int) -> tuple[float, ...]:
        """Return every output of the indicator at `place`, NaN where it has none yet."""
        return self._panel.row(self._slot, place)[:-1]

    @property
    def panel(self) -> Panel:
        """Return where the state lies."""
        return self._panel

    @property
    def slot(self) -> int:
        """Return the fold's place in its panel."""
        return self._slot

    @property
    def bars_from(self) -> datetime | None:
        """Return when the first bar used opened, None before any bar."""
        return None if self._first is None else from_micros(self._first)

    @property
    def last_opened_at(self) -> datetime | None:
        """Return when the last bar used opened, None before any bar."""
        return None if self._last is None else from_micros(self._last)

    @property
    def bars_hash(self) -> str:
        """Return the SHA-256 (hex) of period, splits and every raw bar used, oldest first."""
        return self._digest.copy().hexdigest()


def wants_extras(indicators: Sequence[Indicator]) -> bool:
    """Tell whether any of them reads more than bars: sessions or the flow of trades."""
    return any({"session", "flow"} & set(one.inputs) for one in indicators)


def step_together(folds: Sequence[BlockFold], bars: Sequence[Bar]) -> None:
    """Move many folds of one panel by one bar each."""
    series = series_of(bars)
    check_prices(series)
    facts = memoryview(bar_bytes(series))
    rows = np.ascontiguousarray(columns_of(series).T)
    told: Told = {}
    opened: list[int] = series.opened_at.tolist()
    size = BAR_BYTES.itemsize
    for place, fold in enumerate(folds):
        fold.take(opened[place], rows[place], facts[place * size : (place + 1) * size], told)
    slots = np.array([fold.slot for fold in folds], dtype=np.int64)
    folds[0].panel.step(slots, rows)


def columns_of(series: BarSeries, splits: Sequence[tuple[int, float]] = ()) -> FloatArray:
    """Return what kernels read of raw bars: COLUMNS x n, adjusted for (instant, ratio) splits."""
    columns = np.full((COLUMNS, len(series)), nan)
    columns[OPEN], columns[HIGH], columns[LOW] = series.open, series.high, series.low
    columns[CLOSE], columns[VOLUME] = series.close, series.volume
    columns[OPENED], columns[CLOSED] = series.opened_at, series.closed_at
    for effective, ratio in splits:
        end = int(np.searchsorted(series.opened_at, effective))
        columns[OPEN : CLOSE + 1, :end] /= ratio
        columns[VOLUME, :end] *= ratio
    return columns


def check_bars(series: BarSeries) -> None:
    """Refuse prices that are missing, infinite or inverted, and bars that do not rise in time."""
    check_prices(series)
    back = np.flatnonzero(np.diff(series.opened_at) <= 0)
    if len(back):
        opened = from_micros(int(series.opened_at[back[0] + 1]))
        raise BarOrderError(f"the bar opened {opened} is not after the last one")


def check_prices(series: BarSeries) -> None:
    """Refuse prices that are missing, infinite or inverted."""
    low, high = series.low, series.high
    bounded = (low > -inf) & (high < inf) & (low <= series.open) & (series.open <= high)
    usable = bounded & (low <= series.close) & (series.close <= high)
    if not usable.all():
        bad = int(np.argmin(usable))
        prices = (float(one[bad]) for one in (series.open, high, low, series.close))
        raise _unusable(int(series.opened_at[bad]), *prices)


def bar_bytes(series: BarSeries) -> bytes:
    """Return what a hash of bars is made of: instants, raw prices, volume."""
    rows = np.empty(len(series), dtype=BAR_BYTES)
    rows["opened"], rows["closed"] = series.opened_at, series.closed_at
    columns = (series.open, series.high, series.low, series.close, series.volume)
    for place, column in enumerate(columns):
        rows["values"][:, place] = column
    rows["values"][np.isnan(series.volume), -1] = nan  # one bit pattern for every NaN
    return rows.tobytes()


def checked_splits(block: Block) -> list[tuple[int, float]]:
    """Return the block's splits as (instant, ratio); a ratio that is none is refused."""
    for split in block.splits:
        if not 0.0 < split.ratio < inf:
            raise UnusableBarError(f"split of {split.effective_at} has ratio {split.ratio}")
    return [(to_micros(split.effective_at), split.ratio) for split in block.splits]


def _interleaved(bars: bytes, beside: FloatArray) -> bytes:
    """Return each bar's bytes followed by what stands beside it, as `step` adds them."""
    size = beside.shape[1]
    rows = (np.frombuffer(bars, dtype=np.int64).reshape(size, -1), beside.view(np.int64).T)
    return np.hstack(rows).tobytes()


def _unusable(opened: int, open_: float, high: float, low: float, close: float) -> UnusableBarError:
    prices = f"open {open_} high {high} low {low} close {close}"
    return UnusableBarError(f"the bar opened {from_micros(opened)} is unusable: {prices}")


def _block_bytes(block: Block) -> bytes:
    splits = (_SPLIT_BYTES.pack(to_micros(one.effective_at), one.ratio) for one in block.splits)
    head = struct.pack("<qq", to_micros(block.period_start), len(block.splits))
    return head + b"".join(splits)
