"""Bars to scores, live: folds kept in memory as a cache over stored bars."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.bars import Bar, Timeframe
from domain.instruments import InstrumentTerms
from execution.trade_cycle import ScoredBar, score_instant
from marketdata.indicators.fold import BlockFold, block_of, lead_length
from marketdata.indicators.registry import indicator_set
from marketdata.queries import bars_since, lead_bars
from mlweights.queries import DatedWeights

TINY = timedelta(microseconds=1)
LineKey = tuple[int, str, tuple[str, ...]]


@dataclass(slots=True)
class _Line:
    """One instrument, timeframe and indicator set: the fold, and sealed bars not yet stepped."""

    terms: InstrumentTerms
    timeframe: Timeframe
    names: tuple[str, ...]
    fold: BlockFold | None = None
    last: Bar | None = None
    ahead: deque[Bar] = field(default_factory=deque)
    fetched_to: datetime | None = None
    asked_at: datetime | None = None  # the newest instant scored, with or without a bar

    def forget(self) -> None:
        """Drop everything: the next use rebuilds from the anchor."""
        self.fold, self.last, self.fetched_to, self.asked_at = None, None, None, None
        self.ahead.clear()


@dataclass(frozen=True, slots=True)
class Watched:
    """What has to be scored: an instrument on a timeframe under the weights of the instant."""

    terms: InstrumentTerms
    timeframe: Timeframe
    weights: DatedWeights

    @property
    def key(self) -> LineKey:
        """Return what names its fold."""
        return (self.terms.id, self.timeframe.value, self.weights.weight_set.names)


class Folds:
    """The folds of one process. A cache: losing it costs a rebuild, never a bit."""

    def __init__(self) -> None:
        self._lines: dict[LineKey, _Line] = {}

    def forget(self) -> None:
        """Drop every fold."""
        self._lines.clear()

    def score(
        self, watched: Iterable[Watched], *, closed_at: datetime, sealed_to: datetime
    ) -> dict[tuple[int, str], ScoredBar]:
        """Return the score of every watched instrument that has a bar closing at `closed_at`."""
        wanted = list(watched)
        self._fetch(wanted, closed_at, sealed_to)
        scored: dict[tuple[int, str], ScoredBar] = {}
        for one in wanted:
            line = self._lines[one.key]
            if _advance(line, closed_at) and line.last is not None and line.fold is not None:
                scored[one.terms.id, one.timeframe.value] = score_instant(
                    terms=one.terms,
                    timeframe=one.timeframe,
                    closed_at=closed_at,
                    close=line.last.close,
                    fold=line.fold,
                    weight_set=one.weights.weight_set,
                    weight_label=one.weights.label,
                    weight_version_id=one.weights.version_id,
                )
        return scored

    def _fetch(self, watched: list[Watched], closed_at: datetime, sealed_to: datetime) -> None:
        """Read the sealed bars that are missing, one query per timeframe."""
        missing: dict[Timeframe, dict[int, datetime]] = {}
        for one in watched:
            line = self._lines.setdefault(
                one.key, _Line(one.terms, one.timeframe, one.weights.weight_set.names)
            )
            if line.terms.splits != one.terms.splits or _is_past(line, closed_at):
                line.forget()
            line.terms = one.terms
            if line.fetched_to is None or line.fetched_to < closed_at:
                since = line.ahead[-1] if line.ahead else line.last
                start = since.opened_at if since else closed_at - one.timeframe.length - TINY
                known = missing.setdefault(one.timeframe, {})
                known[one.terms.id] = min(start, known.get(one.terms.id, start))
        for timeframe, since_by_id in missing.items():
            found = bars_since(since=since_by_id, timeframe=timeframe, up_to=sealed_to)
            for one in watched:
                if one.timeframe == timeframe and one.terms.id in found:
                    _append(self._lines[one.key], found[one.terms.id], sealed_to)


def _append(line: _Line, bars: Iterable[Bar], sealed_to: datetime) -> None:
    newest = line.ahead[-1] if line.ahead else line.last
    line.ahead.extend(bar for bar in bars if newest is None or bar.opened_at > newest.opened_at)
    line.fetched_to = sealed_to


def _is_past(line: _Line, closed_at: datetime) -> bool:
    return line.asked_at is not None and line.asked_at > closed_at


def _advance(line: _Line, closed_at: datetime) -> bool:
    """Step over the bars up to the instant; tell whether one closes exactly there."""
    line.asked_at = closed_at
    while line.ahead and line.ahead[0].closed_at <= closed_at:
        bar = line.ahead.popleft()
        line.last = bar
        if line.fold is not None:
            if line.fold.block == block_of(line.timeframe, bar.opened_at, line.terms.splits):
                line.fold.step(bar)
            else:
                line.fold = None
    if line.last is None or line.last.closed_at != closed_at:
        return False
    if line.fold is None:
        line.fold = rebuild(line.terms, line.timeframe, line.names, line.last)
    return True


def rebuild(
    terms: InstrumentTerms, timeframe: Timeframe, names: tuple[str, ...], deciding: Bar
) -> BlockFold:
    """Return the fold at the deciding bar, stepped from its anchor over the stored bars."""
    indicators = indicator_set(names)
    block = block_of(timeframe, deciding.opened_at, terms.splits)
    lead = lead_bars(
        instrument_id=terms.id,
        timeframe=timeframe,
        before=block.period_start,
        count=lead_length(indicators),
    )
    fold = BlockFold(indicators, block, lead)
    inside: Mapping[int, list[Bar]] = bars_since(
        since={terms.id: block.period_start - TINY}, timeframe=timeframe, up_to=deciding.closed_at
    )
    for bar in inside[terms.id]:
        fold.step(bar)
    return fold
