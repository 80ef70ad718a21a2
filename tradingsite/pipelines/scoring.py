"""Bars to scores, live: folds kept in memory as a cache over stored bars."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import structlog

from domain.bars import (
    Bar,
    BarSeries,
    Timeframe,
    from_micros,
    period_start,
    series_of,
    to_micros,
)
from domain.errors import PLUGIN_FAULTS
from domain.instruments import InstrumentTerms
from execution.trade_cycle import ScoredBar, ScoreKey, score_instant, score_over_hole
from marketdata.indicators.fold import (
    BlockFold,
    Panel,
    block_of,
    lead_length,
    step_together,
)
from marketdata.indicators.registry import Indicator
from marketdata.queries import (
    SeriesFacts,
    bars_since,
    bars_windows,
    extras_for,
    former_bars,
    series_facts,
)
from mlweights.queries import DatedWeights, RegimeHistory, WeightHistory
from mlweights.readings import Layout, layout_of, read

TINY = timedelta(microseconds=1)
# Windows of so many instruments are read at once: about 20 MB at 2,500 bars each.
INSTRUMENTS_PER_READ = 128
# How far back the newest bar of a longer timeframe usually lies at most: a long weekend.
QUIET = timedelta(days=5)
SeriesKey = tuple[int, Timeframe]
log = structlog.get_logger("scoring")
LineKey = tuple[int, Timeframe, tuple[Indicator, ...]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What has to be scored: an instrument on a timeframe, by the weights of the instant.

    `weights` by regime, '' for any; all name the same indicators. `source` says whose they are:
    '' the learned ones, else a strategy's own. `detector` tells the regime.
    """

    terms: InstrumentTerms
    timeframe: Timeframe
    weights: Mapping[str, DatedWeights]
    detector: Indicator
    source: str = ""

    @property
    def key(self) -> ScoreKey:
        """Return what names its score at an instant."""
        return (self.terms.id, self.timeframe.value, self.source)

    @property
    def layout(self) -> Layout:
        """Return which folds it needs."""
        return layout_of(self.weights[""].weight_set.names, self.timeframe)


def watched(
    terms: InstrumentTerms,
    timeframe: Timeframe,
    source: str,
    weights: WeightHistory,
    regimes: RegimeHistory,
    closed_at: datetime,
) -> Watched:
    """Return what is scored at the instant: the weights and the detector that decide then."""
    found = weights.at(
        instrument_id=terms.id, timeframe=timeframe.value, closed_at=closed_at, source=source
    )
    names = found[""].weight_set.names
    detector, _ = regimes.at(instrument_id=terms.id, timeframe=timeframe.value, closed_at=closed_at)
    return Watched(
        terms,
        timeframe,
        {regime: one for regime, one in found.items() if one.weight_set.names == names},
        detector,
        source,
    )


@dataclass(slots=True)
class _Line:
    """One fold of one series, and its sealed bars not yet stepped."""

    terms: InstrumentTerms
    timeframe: Timeframe
    indicators: tuple[Indicator, ...]
    panel: Panel
    fold: BlockFold | None = None
    last: Bar | None = None
    ahead: deque[Bar] = field(default_factory=deque)
    fetched_to: datetime | None = None
    asked_at: datetime | None = None  # the newest instant scored, with or without a bar
    revision: int | None = None  # the newest change of the past that the fold knows

    @property
    def series(self) -> SeriesKey:
        """Return what names its bars."""
        return (self.terms.id, self.timeframe)

    def drop(self) -> None:
        """Give the fold back: the next use rebuilds it from the anchor."""
        if self.fold is not None:
            self.fold.leave()
            self.fold = None

    def forget(self) -> None:
        """Drop everything, bars too."""
        self.drop()
        self.last, self.fetched_to, self.asked_at = None, None, None
        self.ahead.clear()


class Folds:
    """The folds of one stream in one process. A cache: losing it costs a rebuild, never a bit."""

    def __init__(self) -> None:
        self._lines: dict[LineKey, _Line] = {}
        self._panels: dict[tuple[Indicator, ...], Panel] = {}
        self.failures: dict[ScoreKey, str] = {}  # of the last call: what could not be scored

    def score(
        self, watched: Iterable[Watched], *, closed_at: datetime, sealed_to: datetime
    ) -> dict[ScoreKey, ScoredBar]:
        """Return the score of every watched instrument that has a bar closing at `closed_at`.

        An indicator that fails takes only the scores it is part of with it.
        """
        wanted = list(watched)
        self.failures = {}
        try:
            return self._score(wanted, closed_at=closed_at, sealed_to=sealed_to)
        except PLUGIN_FAULTS:
            log.exception("scoring failed", closed_at=closed_at.isoformat())
        self._lines.clear()  # steps may be half done
        self._panels.clear()
        scored: dict[ScoreKey, ScoredBar] = {}
        for one in wanted:
            try:
                scored |= Folds()._score([one], closed_at=closed_at, sealed_to=sealed_to)
            except PLUGIN_FAULTS as fault:
                self.failures[one.key] = f"an indicator failed: {fault!r}"[:200]
        return scored

    def _score(
        self, watched: Sequence[Watched], *, closed_at: datetime, sealed_to: datetime
    ) -> dict[ScoreKey, ScoredBar]:
        lines = {one.key: (one, self._lines_of(one)) for one in watched}
        every = list({id(line): line for _, own in lines.values() for line in own}.values())
        facts = _facts(every, closed_at)
        _fetch(every, facts, closed_at, sealed_to)
        _advance(every, closed_at)
        due = {
            key: (one, own)
            for key, (one, own) in lines.items()
            if own[0].last is not None and own[0].last.closed_at == closed_at
        }
        needed = {id(line): line for _, own in due.values() for line in own}
        _rebuild(list(needed.values()), facts, closed_at)
        return {key: _scored(one, own, facts, closed_at) for key, (one, own) in due.items()}

    def _lines_of(self, one: Watched) -> list[_Line]:
        """Return the lines it reads, the scored bars' own first."""
        return [
            self._line(one.terms, timeframe, one.layout.indicators(place, one.detector))
            for place, timeframe in enumerate(one.layout.timeframes)
        ]

    def _line(
        self, terms: InstrumentTerms, timeframe: Timeframe, indicators: tuple[Indicator, ...]
    ) -> _Line:
        key = (terms.id, timeframe, indicators)
        line = self._lines.get(key)
        if line is None:
            panel = self._panels.get(indicators)
            if panel is None:
                panel = self._panels[indicators] = Panel(indicators, slots=8)
            line = self._lines[key] = _Line(terms, timeframe, indicators, panel)
        if line.terms.splits != terms.splits:
            line.forget()
        line.terms = terms
        return line


def _scored(
    one: Watched, own: Sequence[_Line], facts: Mapping[SeriesKey, SeriesFacts], closed_at: datetime
) -> ScoredBar:
    readings = read(one.layout, [line.fold for line in own])
    weights = one.weights.get(readings.regime.trend) or one.weights[""]
    last = own[0].last
    if last is None:
        raise ValueError("a line without bars has no score")
    bar = score_instant(
        terms=one.terms,
        timeframe=one.timeframe,
        closed_at=closed_at,
        close=last.close,
        readings=readings,
        weight_set=weights.weight_set,
        weight_label=weights.label,
        weight_version_id=weights.version_id,
    )
    holes = (_hole(line, facts[line.series]) for line in own)
    return score_over_hole(bar, next((hole for hole in holes if hole is not None), None))


def _hole(line: _Line, facts: SeriesFacts) -> datetime | None:
    """Return the newest missing bar that the line's fold reaches over."""
    begins = line.fold.bars_from if line.fold else None
    return facts.hole if begins and facts.hole and facts.hole >= begins else None


def _facts(lines: Sequence[_Line], closed_at: datetime) -> dict[SeriesKey, SeriesFacts]:
    """Return what the record says of every series at the instant, one query per timeframe."""
    ids: dict[Timeframe, set[int]] = {}
    for line in lines:
        ids.setdefault(line.timeframe, set()).add(line.terms.id)
    return {
        (instrument_id, timeframe): facts
        for timeframe, wanted in ids.items()
        for instrument_id, facts in series_facts(
            instrument_ids=sorted(wanted), timeframe=timeframe, as_of=closed_at
        ).items()
    }


def _fetch(
    lines: Sequence[_Line],
    facts: Mapping[SeriesKey, SeriesFacts],
    closed_at: datetime,
    sealed_to: datetime,
) -> None:
    """Read the sealed bars that are missing, one query per timeframe."""
    missing: dict[Timeframe, dict[int, datetime]] = {}
    short = []
    for line in lines:
        revision = facts[line.series].revision
        is_past = line.asked_at is not None and line.asked_at > closed_at
        if line.revision != revision or is_past:
            line.forget()
        line.revision = revision
        if line.fetched_to is None or line.fetched_to < closed_at:
            short.append(line)
            since = line.ahead[-1] if line.ahead else line.last
            # A new line needs its newest bar only: the fold is built from a window.
            start = since.opened_at if since else closed_at - line.timeframe.length - TINY
            known = missing.setdefault(line.timeframe, {})
            known[line.terms.id] = min(start, known.get(line.terms.id, start))
    found = {
        timeframe: bars_since(since=since, timeframe=timeframe, up_to=sealed_to)
        for timeframe, since in missing.items()
    }
    for line in short:
        known_then = facts[line.series]
        bars = _as_known(found[line.timeframe][line.terms.id], line, known_then, closed_at)
        newest = line.ahead[-1] if line.ahead else line.last
        line.ahead.extend(bar for bar in bars if newest is None or bar.opened_at > newest.opened_at)
        line.fetched_to = sealed_to


def _as_known(bars: list[Bar], line: _Line, facts: SeriesFacts, closed_at: datetime) -> list[Bar]:
    """Return the bars as they were at the instant: corrections made later are taken back."""
    if not facts.is_ahead:
        return bars
    former = former_bars(instrument_id=line.terms.id, timeframe=line.timeframe, as_of=closed_at)
    return [former.get(bar.opened_at, bar) for bar in bars]


def _advance(lines: Sequence[_Line], closed_at: datetime) -> None:
    """Step every line over its bars closed by the instant, side by side."""
    for line in lines:
        line.asked_at = closed_at
    due = list(lines)
    while due:
        due = [line for line in due if line.ahead and line.ahead[0].closed_at <= closed_at]
        stepping: dict[int, list[_Line]] = {}
        for line in due:
            line.last = line.ahead.popleft()
            if line.fold is None:
                continue
            if line.fold.block == block_of(line.timeframe, line.last.opened_at, line.terms.splits):
                stepping.setdefault(id(line.panel), []).append(line)
            else:
                line.drop()
        for together in stepping.values():
            step_together(
                [line.fold for line in together if line.fold],
                [line.last for line in together if line.last],
            )


def _rebuild(
    lines: Sequence[_Line], facts: Mapping[SeriesKey, SeriesFacts], as_of: datetime
) -> None:
    """Build the folds that are missing, each from its anchor over the bars known at `as_of`."""
    empty = [line for line in lines if line.fold is None]
    empty.sort(key=lambda line: (line.timeframe.seconds, line.terms.id))
    for timeframe, group in groupby(empty, key=lambda line: line.timeframe):
        own = list(group)
        for first in range(0, len(own), INSTRUMENTS_PER_READ):
            _rebuild_some(own[first : first + INSTRUMENTS_PER_READ], timeframe, facts, as_of)


def _rebuild_some(
    lines: Sequence[_Line],
    timeframe: Timeframe,
    facts: Mapping[SeriesKey, SeriesFacts],
    as_of: datetime,
) -> None:
    windows = _windows(lines, timeframe, as_of)
    for line in lines:
        series = windows[line.terms.id]
        if not len(series):
            continue
        if facts[line.series].is_ahead:
            series = _as_then(
                series,
                former_bars(instrument_id=line.terms.id, timeframe=timeframe, as_of=as_of),
            )
        line.last = line.last or _last_of(series)
        block = block_of(timeframe, line.last.opened_at, line.terms.splits)
        beside = extras_for(terms=line.terms, timeframe=timeframe, indicators=line.indicators)
        line.fold = BlockFold(line.indicators, block, series, panel=line.panel, extras=beside)


def _windows(
    lines: Sequence[_Line], timeframe: Timeframe, as_of: datetime
) -> Mapping[int, BarSeries]:
    """Return bars enough for every line's fold: its period so far and the lead before it."""
    wanted = max(lead_length(line.indicators) for line in lines)
    opened = [line.last.opened_at if line.last else as_of - QUIET for line in lines]
    count = wanted + (as_of - period_start(timeframe, min(opened))) // timeframe.length + 1
    while True:
        windows = bars_windows(
            instrument_ids=sorted({line.terms.id for line in lines}),
            timeframe=timeframe,
            as_of=as_of,
            count=count,
        )
        if not any(_is_short(one, timeframe, wanted, count) for one in windows.values()):
            return windows
        count *= 2  # a market silent for longer than QUIET


def _is_short(series: BarSeries, timeframe: Timeframe, wanted: int, count: int) -> bool:
    """Tell whether a window ends before the lead is whole though older bars are stored."""
    if len(series) < count:
        return False
    period = period_start(timeframe, from_micros(series.opened_at[-1]))
    return int(np.searchsorted(series.opened_at, to_micros(period))) < wanted


def _last_of(series: BarSeries) -> Bar:
    """Return the newest bar of the columns."""
    volume = float(series.volume[-1])
    return Bar(
        opened_at=from_micros(series.opened_at[-1]),
        closed_at=from_micros(series.closed_at[-1]),
        open=float(series.open[-1]),
        high=float(series.high[-1]),
        low=float(series.low[-1]),
        close=float(series.close[-1]),
        volume=None if np.isnan(volume) else volume,
    )


def _as_then(series: BarSeries, former: Mapping[datetime, Bar]) -> BarSeries:
    """Return the columns with the bars that were corrected later as they were."""
    columns = {one.name: getattr(series, one.name).copy() for one in fields(series)}
    for opened_at, bar in former.items():
        place = int(np.searchsorted(series.opened_at, to_micros(opened_at)))
        if place < len(series) and series.opened_at[place] == to_micros(opened_at):
            for name, values in columns.items():
                values[place] = getattr(series_of([bar]), name)[0]
    return replace(series, **columns)
