"""Bars to scores, live: folds kept in memory as a cache over stored bars."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.bars import Bar, Timeframe
from domain.instruments import InstrumentTerms
from execution.trade_cycle import ScoredBar, score_instant, score_over_hole
from marketdata.indicators.fold import BlockFold, block_of, lead_length
from marketdata.indicators.registry import indicator_set
from marketdata.queries import (
    SeriesFacts,
    bars_since,
    former_bars,
    lead_bars,
    series_facts,
)
from mlweights.queries import DatedWeights

TINY = timedelta(microseconds=1)
SeriesKey = tuple[int, str]
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
    revision: int | None = None  # the newest change of the past that the fold knows

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
    def series(self) -> SeriesKey:
        """Return what names its bars."""
        return (self.terms.id, self.timeframe.value)

    @property
    def key(self) -> LineKey:
        """Return what names its fold."""
        return (self.terms.id, self.timeframe.value, self.weights.weight_set.names)


class Folds:
    """The folds of one stream in one process. A cache: losing it costs a rebuild, never a bit."""

    def __init__(self) -> None:
        self._lines: dict[LineKey, _Line] = {}

    def score(
        self, watched: Iterable[Watched], *, closed_at: datetime, sealed_to: datetime
    ) -> dict[tuple[int, str], ScoredBar]:
        """Return the score of every watched instrument that has a bar closing at `closed_at`."""
        wanted = list(watched)
        facts = _facts(wanted, closed_at)
        self._fetch(wanted, facts, closed_at, sealed_to)
        scored: dict[tuple[int, str], ScoredBar] = {}
        for one in wanted:
            line, known = self._lines[one.key], facts[one.series]
            if not _advance(line, closed_at, known) or line.last is None or line.fold is None:
                continue
            bar = score_instant(
                terms=one.terms,
                timeframe=one.timeframe,
                closed_at=closed_at,
                close=line.last.close,
                fold=line.fold,
                weight_set=one.weights.weight_set,
                weight_label=one.weights.label,
                weight_version_id=one.weights.version_id,
            )
            scored[one.series] = score_over_hole(bar, known.hole)
        return scored

    def _fetch(
        self,
        watched: list[Watched],
        facts: Mapping[SeriesKey, SeriesFacts],
        closed_at: datetime,
        sealed_to: datetime,
    ) -> None:
        """Read the sealed bars that are missing, one query per timeframe."""
        missing: dict[Timeframe, dict[int, datetime]] = {}
        for one in watched:
            line = self._lines.setdefault(
                one.key, _Line(one.terms, one.timeframe, one.weights.weight_set.names)
            )
            revision = facts[one.series].revision
            if (
                line.terms.splits != one.terms.splits
                or line.revision != revision
                or _is_past(line, closed_at)
            ):
                line.forget()
            line.terms, line.revision = one.terms, revision
            if line.fetched_to is None or line.fetched_to < closed_at:
                since = line.ahead[-1] if line.ahead else line.last
                start = since.opened_at if since else closed_at - one.timeframe.length - TINY
                known = missing.setdefault(one.timeframe, {})
                known[one.terms.id] = min(start, known.get(one.terms.id, start))
        for timeframe, since_by_id in missing.items():
            found = bars_since(since=since_by_id, timeframe=timeframe, up_to=sealed_to)
            for one in watched:
                if one.timeframe == timeframe and one.terms.id in found:
                    bars = _as_known(found[one.terms.id], one, facts[one.series], closed_at)
                    _append(self._lines[one.key], bars, sealed_to)


def _facts(watched: list[Watched], closed_at: datetime) -> dict[SeriesKey, SeriesFacts]:
    """Return what the record says of every series at the instant, one query per timeframe."""
    ids: dict[Timeframe, list[int]] = {}
    for one in watched:
        ids.setdefault(one.timeframe, []).append(one.terms.id)
    return {
        (instrument_id, timeframe.value): facts
        for timeframe, wanted in ids.items()
        for instrument_id, facts in series_facts(
            instrument_ids=wanted, timeframe=timeframe, as_of=closed_at
        ).items()
    }


def _as_known(bars: list[Bar], one: Watched, facts: SeriesFacts, closed_at: datetime) -> list[Bar]:
    """Return the bars as they were at the instant: corrections made later are taken back."""
    if not facts.is_ahead:
        return bars
    former = former_bars(instrument_id=one.terms.id, timeframe=one.timeframe, as_of=closed_at)
    return [former.get(bar.opened_at, bar) for bar in bars]


def _append(line: _Line, bars: Iterable[Bar], sealed_to: datetime) -> None:
    newest = line.ahead[-1] if line.ahead else line.last
    line.ahead.extend(bar for bar in bars if newest is None or bar.opened_at > newest.opened_at)
    line.fetched_to = sealed_to


def _is_past(line: _Line, closed_at: datetime) -> bool:
    return line.asked_at is not None and line.asked_at > closed_at


def _advance(line: _Line, closed_at: datetime, facts: SeriesFacts) -> bool:
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
        line.fold = rebuild(
            line.terms, line.timeframe, line.names, line.last, is_corrected_later=facts.is_ahead
        )
    return True


def rebuild(
    terms: InstrumentTerms,
    timeframe: Timeframe,
    names: tuple[str, ...],
    deciding: Bar,
    *,
    is_corrected_later: bool = True,
) -> BlockFold:
    """Return the fold at the deciding bar, stepped from its anchor over the bars known then."""
    indicators = indicator_set(names)
    block = block_of(timeframe, deciding.opened_at, terms.splits)
    as_of = deciding.closed_at
    former: Mapping[datetime, Bar] = {}
    if is_corrected_later:
        former = former_bars(instrument_id=terms.id, timeframe=timeframe, as_of=as_of)
    lead = lead_bars(
        instrument_id=terms.id,
        timeframe=timeframe,
        before=block.period_start,
        count=lead_length(indicators),
        as_of=as_of,
    )
    fold = BlockFold(indicators, block, [former.get(bar.opened_at, bar) for bar in lead])
    inside: Mapping[int, list[Bar]] = bars_since(
        since={terms.id: block.period_start - TINY}, timeframe=timeframe, up_to=as_of, as_of=as_of
    )
    for bar in inside[terms.id]:
        fold.step(former.get(bar.opened_at, bar))
    return fold
