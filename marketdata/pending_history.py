"""Bars asked of a provider's history while they are waited for: nobody seals over what may come.

An instrument's answer counts up to its last bar, and up to `patience` before it was asked for:
a bar that is not there by then was never made, or its gap is the ledger's.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from domain.bars import BarSeries, Timeframe
from domain.errors import PlumblineError
from marketdata.data_quality import check_bars

MICROS = 1_000_000
# Takes an instrument, since and until (micros); returns bars and the provider they came from.
Fetch = Callable[[int, int, int], tuple[BarSeries, int | None]]
# Errors after which asking again changes nothing.
HOPELESS = ("no_provider",)


@dataclass
class _Waiting:
    """What is known of one instrument: every bar that closes by `known_to`."""

    known_to: int
    bars: list[BarSeries] = field(default_factory=list)
    ask_at: int = 0
    failing_since: int | None = None
    is_hopeless: bool = False
    source_id: int | None = None


class PendingHistory:
    """The instruments' bars of one timeframe from `since` on. Instants in micros."""

    def __init__(
        self,
        instruments: Sequence[int],
        timeframe: Timeframe,
        *,
        since: int,
        patience: int,
        give_up_after: int,
        fetch: Fetch,
    ) -> None:
        self.failure = ""
        self.refused = 0
        self.answered_at = 0
        self.failing_since: int | None = None
        self._timeframe = timeframe
        self._patience = patience
        self._give_up_after = give_up_after
        self._pause = max(250_000, patience // 4)
        self._fetch = fetch
        self._waiting = {one: _Waiting(since) for one in instruments}

    def is_settled(self, closed_at: int, expected: Collection[int], now: int) -> bool:
        """Tell whether nothing expected to close by the instant can still come; asks once if not.

        One call to the provider at the most, so that whoever asks can look after its ticks.
        """
        open_ones = [one for one in expected if self._waiting[one].known_to < closed_at]
        due = next((one for one in open_ones if self._waiting[one].ask_at <= now), None)
        if due is not None:
            self._ask(due, now)
        return all(
            self._waiting[one].known_to >= closed_at or self._is_given_up(one, closed_at, now)
            for one in open_ones
        )

    def given_up(self, closed_at: int, expected: Collection[int], now: int) -> list[int]:
        """Return those of whom nobody could say whether they have a bar there."""
        return [
            one
            for one in expected
            if self._waiting[one].known_to < closed_at and self._is_given_up(one, closed_at, now)
        ]

    def take(self, closed_at: int) -> dict[int, BarSeries]:
        """Return, and let go of, the bars that close by the instant, per instrument."""
        taken = {}
        for one, state in self._waiting.items():
            state.known_to = max(state.known_to, closed_at)
            if not state.bars:
                continue
            series = _joined(state.bars)
            due = int(np.searchsorted(series.closed_at, closed_at, side="right"))
            if due:
                taken[one] = series[:due]
            state.bars = [series[due:]] if due < len(series) else []
        return taken

    def _ask(self, one: int, now: int) -> None:
        state = self._waiting[one]
        state.ask_at = now + self._pause
        try:
            # One bar earlier: providers differ in where a day's bar begins.
            since = state.known_to - self._timeframe.seconds * MICROS
            bars, source_id = self._fetch(one, since, now)
        except PlumblineError as error:
            self.failure = " ".join(str(error).split())[:200]
            self.failing_since = self.failing_since or now
            state.failing_since = state.failing_since or now
            state.is_hopeless = error.code in HOPELESS
            return
        self.failure, self.failing_since, self.answered_at = "", None, now
        state.failing_since, state.is_hopeless, state.source_id = None, False, source_id
        bars = bars[int(np.searchsorted(bars.closed_at, state.known_to, side="right")) :]
        bars = bars[: int(np.searchsorted(bars.closed_at, now, side="right"))]
        last = int(bars.closed_at[-1]) if len(bars) else 0
        is_fine = check_bars(bars, timeframe=self._timeframe, now_micros=now) == 0
        is_fine[1:] &= np.diff(bars.opened_at) > 0
        self.refused += int((~is_fine).sum())
        if is_fine.any():
            state.bars.append(_chosen(bars, is_fine))
        state.known_to = max(state.known_to, last, now - self._patience)

    def _is_given_up(self, one: int, closed_at: int, now: int) -> bool:
        state = self._waiting[one]
        if state.failing_since is None:
            return False
        waited = now - max(state.failing_since, closed_at)
        return state.is_hopeless or waited >= self._give_up_after

    def source_of(self, instruments: Collection[int]) -> int | None:
        """Return the provider of these instruments' last answers, None when there are several."""
        sources = {self._waiting[one].source_id for one in instruments}
        return sources.pop() if len(sources) == 1 else None


def _joined(parts: Sequence[BarSeries]) -> BarSeries:
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(_columns(part) for part in parts), strict=True)
    return BarSeries(*(np.concatenate(column) for column in columns))


def _chosen(bars: BarSeries, which: np.ndarray) -> BarSeries:
    return BarSeries(*(column[which] for column in _columns(bars)))


def _columns(bars: BarSeries) -> tuple[np.ndarray, ...]:
    return (
        *(bars.opened_at, bars.closed_at, bars.open, bars.high, bars.low, bars.close),
        bars.volume,
    )
