"""Indicators stepped over bars: block by block in batch, bar by bar when live, the same bits."""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf, isnan, nan

import numpy as np

from domain.bars import (
    Bar,
    BarSeries,
    FloatArray,
    Split,
    Timeframe,
    from_micros,
    period_start,
    to_micros,
)
from domain.errors import PlumblineError
from marketdata.indicators.registry import Indicator, State

Values = tuple[float, float, float, float, float]  # open, high, low, close, volume

_BAR_BYTES = struct.Struct("<qq5d")
_SPLIT_BYTES = struct.Struct("<qd")


class UnusableBarError(PlumblineError):
    """A price is missing, infinite or inverted, or a split ratio is not positive."""

    code = "unusable_bar"


class BarOrderError(PlumblineError):
    """Bars must rise in time, the lead before the period and the rest inside it."""

    code = "bar_order"


@dataclass(frozen=True)
class Block:
    """What a deciding bar's values depend on besides bars: its period and the splits so far."""

    period_start: datetime
    splits: tuple[Split, ...]


@dataclass(frozen=True)
class IndicatorMatrix:
    """Values of n bars by k indicators, float64, NaN where an indicator has none yet."""

    names: tuple[str, ...]
    raw: FloatArray
    normalised: FloatArray


def block_of(timeframe: Timeframe, opened_at: datetime, splits: Sequence[Split] = ()) -> Block:
    """Return the block of a deciding bar: its period, and the splits effective by its opening."""
    known = [split for split in splits if split.effective_at <= opened_at]
    known.sort(key=lambda split: (split.effective_at, split.ratio))
    return Block(period_start(timeframe, opened_at), tuple(known))


def lead_length(indicators: Sequence[Indicator]) -> int:
    """Return how many bars before the period a fold wants: the longest warm-up."""
    return max(indicator.warmup for indicator in indicators)


class BlockFold:
    """The indicators' state after the last bar stepped; a cache, rebuilt to the same bits.

    Built with the bars before the period (`lead`: the last `lead_length` bars are used, fewer
    when history is short); each indicator starts its own warm-up before the period. Then
    `step` takes every bar of the block in rising order.
    """

    def __init__(
        self, indicators: Sequence[Indicator], block: Block, lead: Sequence[Bar] = ()
    ) -> None:
        self.indicators = tuple(indicators)
        self.block = block
        self._stepper = _Stepper(self.indicators, block)
        self._digest = hashlib.sha256(_block_bytes(block))
        self._first: int | None = None
        wanted = lead_length(indicators)
        used = lead[-wanted:] if wanted else ()
        for place, bar in enumerate(used):
            self._take(bar, bars_to_period=len(used) - place)

    def step(self, bar: Bar) -> None:
        """Move every indicator by one bar of the period."""
        self._take(bar, bars_to_period=0)

    def _take(self, bar: Bar, *, bars_to_period: int) -> None:
        opened = to_micros(bar.opened_at)
        volume = nan if bar.volume is None or isnan(bar.volume) else bar.volume
        prices = (bar.open, bar.high, bar.low, bar.close)
        self._stepper.step(opened, (*prices, volume), bars_to_period=bars_to_period)
        self._digest.update(_BAR_BYTES.pack(opened, to_micros(bar.closed_at), *prices, volume))
        if self._first is None:
            self._first = opened

    @property
    def raw(self) -> tuple[float | None, ...]:
        """Return each indicator's raw value at the last bar, None where it has none yet."""
        return tuple(None if isnan(value) else value for value in self._stepper.raw)

    @property
    def normalised(self) -> tuple[float | None, ...]:
        """Return each indicator's value in -1…+1 at the last bar, None where it has none yet."""
        return tuple(None if isnan(value) else value for value in self._stepper.normalised)

    @property
    def bars_from(self) -> datetime | None:
        """Return when the first bar used opened, None before any bar."""
        return None if self._first is None else from_micros(self._first)

    @property
    def last_opened_at(self) -> datetime | None:
        """Return when the last bar used opened, None before any bar."""
        last = self._stepper.last_opened
        return None if last is None else from_micros(last)

    @property
    def bars_hash(self) -> str:
        """Return the SHA-256 (hex) of period, splits and every raw bar used, oldest first."""
        return self._digest.copy().hexdigest()


def indicator_matrix(
    series: BarSeries,
    timeframe: Timeframe,
    indicators: Sequence[Indicator],
    splits: Sequence[Split] = (),
    holes: Sequence[datetime] = (),
) -> IndicatorMatrix:
    """Return the values at every bar of `series`: block by block, with the very step of live.

    `series` holds raw prices from the first stored bar on; a later beginning counts as the first.
    `holes` are missing bars, in rising order: a bar whose block reaches over one has no values.
    """
    size, wanted = len(series), lead_length(indicators)
    raw = np.full((size, len(indicators)), np.nan)
    normalised = np.full((size, len(indicators)), np.nan)
    columns = (series.open, series.high, series.low, series.close, series.volume)
    opened: list[int] = series.opened_at.tolist()
    values: list[Values] = list(zip(*(column.tolist() for column in columns), strict=True))
    missing = np.array([to_micros(hole) for hole in holes], dtype=np.int64)
    block, stepper, first = None, None, 0
    for place in range(size):
        own = block_of(timeframe, from_micros(opened[place]), splits)
        if stepper is None or own != block:
            block, stepper = own, _Stepper(tuple(indicators), own)
            begin = int(np.searchsorted(series.opened_at, to_micros(own.period_start)))
            first = opened[max(0, begin - wanted)]
            for before in range(max(0, begin - wanted), begin):
                stepper.step(opened[before], values[before], bars_to_period=begin - before)
            for inside in range(begin, place):  # a split inside the period begins its block anew
                stepper.step(opened[inside], values[inside])
        stepper.step(opened[place], values[place])
        if np.searchsorted(missing, first) < np.searchsorted(missing, opened[place]):
            continue
        raw[place] = stepper.raw
        normalised[place] = stepper.normalised
    return IndicatorMatrix(tuple(one.name for one in indicators), raw, normalised)


class _Stepper:
    """The states of one block, and the adjustment of its bars."""

    def __init__(self, indicators: tuple[Indicator, ...], block: Block) -> None:
        self._states: list[tuple[Indicator, State]] = [(i, i.empty_state()) for i in indicators]
        self._period = to_micros(block.period_start)
        self._splits = [(to_micros(split.effective_at), split.ratio) for split in block.splits]
        for split in block.splits:
            if not 0.0 < split.ratio < inf:
                raise UnusableBarError(f"split of {split.effective_at} has ratio {split.ratio}")
        self.last_opened: int | None = None
        self.raw: list[float] = [nan] * len(indicators)
        self.normalised: list[float] = [nan] * len(indicators)

    def step(self, opened: int, values: Values, *, bars_to_period: int = 0) -> None:
        """Move the indicators that begin by now; `bars_to_period` is 0 inside the period."""
        open_, high, low, close, volume = values
        # written so that NaN, which compares false, is refused as well
        if not (-inf < low <= open_ <= high < inf and low <= close <= high):
            prices = f"open {open_} high {high} low {low} close {close}"
            raise UnusableBarError(f"the bar opened {from_micros(opened)} is unusable: {prices}")
        self._check_order(opened, is_lead=bars_to_period > 0)
        self.last_opened = opened
        for effective, ratio in self._splits:
            if opened < effective:
                open_, high, low, close = open_ / ratio, high / ratio, low / ratio, close / ratio
                volume *= ratio
        for place, (indicator, state) in enumerate(self._states):
            if bars_to_period <= indicator.warmup:
                result = indicator.step(state, open_, high, low, close, volume)
                self.raw[place], self.normalised[place] = result

    def _check_order(self, opened: int, *, is_lead: bool) -> None:
        if self.last_opened is not None and opened <= self.last_opened:
            raise BarOrderError(f"the bar opened {from_micros(opened)} is not after the last one")
        if (opened < self._period) != is_lead:
            where = "before" if is_lead else "in"
            start = from_micros(self._period)
            raise BarOrderError(
                f"the bar opened {from_micros(opened)} is not {where} the period from {start}"
            )


def _block_bytes(block: Block) -> bytes:
    splits = (_SPLIT_BYTES.pack(to_micros(one.effective_at), one.ratio) for one in block.splits)
    head = struct.pack("<qq", to_micros(block.period_start), len(block.splits))
    return head + b"".join(splits)
