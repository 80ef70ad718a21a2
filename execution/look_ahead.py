"""Does a bot decide by what comes later? Its decisions over bars against those over copies.

A copy ends at a bar, or goes on with other bars after it: every decision up to there must be the
same to the bit. The decisions are made by what the walk calls, `score_instant` and
`decide_instant`; the position is what the bot's own signals make of it, one lot a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from statistics import median
from typing import Any

import numpy as np

from domain.bars import BarSeries, to_micros
from domain.money import to_price, to_ticks
from domain.orders import side_word
from domain.portfolio import MarkedPosition, PortfolioSnapshot
from execution.scored_series import Examined, scored_bars
from execution.trade_cycle import BotPlan, InstantInput, ScoredBar, ScoreKey, decide_instant
from risk.rules.registry import Limits
from strategies.bots.base import HOLD, BotContext, Intent
from strategies.bots.registry import RegisteredStrategy
from strategies.confirmation import Recent, longest_memory

SLOWEST_SECONDS = 0.05  # a bar and instrument, median: 50 instruments would need 2.5 s a bar
BARS_TIMED = 20  # before a slow strategy is given up
PURSE = Decimal(10) ** 12
FREE = Limits(position_e9=10**9, day_loss_e9=10**9, drawdown_e9=10**9, stale_bars=10**6)

Rows = Mapping[ScoreKey, ScoredBar]


class StrategyFailedError(Exception):
    """The strategy raised an error, or takes too long; the walk would not hold on this one."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: '' in `first_difference` when nothing."""

    bars: int
    scored: int  # of those, with enough history for a score
    cuts: int
    median_seconds: float
    first_difference: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot wanted at one bar."""

    bar: ScoredBar
    side: int
    is_exit: bool
    reason: str

    @property
    def act(self) -> tuple[int, bool]:
        """Return what would have been ordered."""
        return (self.side, self.is_exit)


@dataclass(frozen=True, slots=True)
class _State:
    """What the bot's own signals made so far: quantities held, and its entries."""

    held: Mapping[int, Decimal] = field(default_factory=dict)
    recent: Mapping[tuple[int, int], Recent] = field(default_factory=dict)


class _Timed(RegisteredStrategy):
    """The strategy, with a watch: how long each bar takes, and at which one it fails."""

    def __init__(self, inner: RegisteredStrategy, timer: Callable[[], float]) -> None:
        super().__init__(inner.params)
        self.inner, self.timer = inner, timer
        self.seconds: list[float] = []

    def decide(self, context: BotContext) -> Intent:
        """Return the strategy's intent."""
        begin = self.timer()
        try:
            intent = self.inner.decide(context)
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {error}"
            raise StrategyFailedError(f"{_named(context)}: the strategy raised {what}") from error
        self.seconds.append(self.timer() - begin)
        if len(self.seconds) % BARS_TIMED == 0 and median(self.seconds) > SLOWEST_SECONDS:
            took, most = 1000 * median(self.seconds), 1000 * SLOWEST_SECONDS
            raise StrategyFailedError(
                f"slow: {took:.0f} ms a bar (median of {len(self.seconds)}), at most {most:.0f} ms"
            )
        return intent


def check_look_ahead(
    *,
    plan: BotPlan,
    make: Callable[[], RegisteredStrategy],
    examined: Sequence[Examined],
    bars: int,
    cuts: int,
    stretch: int,
    seed: int,
    timer: Callable[[], float],
) -> Verdict:
    """Return what `cuts` ended copies and as many continued ones say of the last `bars` bars.

    `stretch` is how many instants before a cut are decided again, each time by a strategy made
    anew; what they need to know of the time before is taken from the decisions over all bars.
    """
    clocked = _Timed(make(), timer)
    whole = _rows_of(examined, bars)
    every = [bar for rows in whole for bar in rows.values()]
    places = _places(len(whole), cuts, seed)
    try:
        answers, states = _decide(replace(plan, strategy=clocked), whole)
        first_run = _Run(plan, lambda: _Timed(make(), timer), whole, answers, states)
        differences = list(_remembered(first_run))
        if not differences:
            differences = list(_copies(first_run, examined, places, stretch))
        # Another order says more than another reading; the earliest bar says most.
        worst = min(differences, key=lambda one: (not one.is_act, one.closed_at), default=None)
        text = worst.text if worst else ""
    except StrategyFailedError as error:
        text = str(error)
    return Verdict(
        bars=len(every),
        scored=sum(bar.score.value is not None for bar in every),
        cuts=len(places),
        median_seconds=median(clocked.seconds or [0.0]),
        first_difference=text,
    )


# Decisions


def _decide(
    plan: BotPlan, rows: Sequence[Rows], state: _State | None = None
) -> tuple[list[Answer], list[_State]]:
    """Return every answer in order, and the state before each instant."""
    answers: list[Answer] = []
    states = []
    now = state or _State()
    for scored in rows:
        states.append(now)
        found = _answers(plan, scored, now)
        answers += found
        now = _after(plan, now, found)
    return answers, states


def _answers(plan: BotPlan, scored: Rows, state: _State) -> list[Answer]:
    bars = {bar.terms.id: bar for bar in scored.values()}
    closed_at = next(iter(bars.values())).closed_at
    result = decide_instant(
        InstantInput(
            *("check", "check", closed_at, 0, (plan,), scored),
            portfolio=PortfolioSnapshot(PURSE, tuple(_marked(plan, state, bars)), PURSE, PURSE),
            working=(),
            control_state="active",
            limits=FREE,
            fee_e9=0,
            slippage_e9=0,
            recent=state.recent,
        )
    )
    for reason in result.failures().values():
        raise StrategyFailedError(f"bar closed {closed_at:%Y-%m-%d %H:%M}Z: {reason}")
    wanted = {
        one.bar.terms.id: Answer(one.bar, one.side, one.is_exit, one.reason)
        for one in result.decided
    }
    for held in result.holds:
        for bar, reason in zip(held.bars, held.reasons, strict=True):
            wanted[bar.terms.id] = Answer(bar, HOLD, is_exit=False, reason=reason)
    return [wanted[one] for one in plan.instrument_ids if one in wanted]


def _marked(
    plan: BotPlan, state: _State, bars: Mapping[int, ScoredBar]
) -> Iterator[MarkedPosition]:
    for instrument_id, quantity in state.held.items():
        if instrument_id in bars:
            bar = bars[instrument_id]
            tick = bar.terms.tick_size
            price = to_price(to_ticks(bar.close, tick), tick)
            yield MarkedPosition(instrument_id, plan.name, quantity, price, bar.terms.multiplier)


def _after(plan: BotPlan, state: _State, answers: Sequence[Answer]) -> _State:
    """Return the state once the answers are filled: an entry is one lot, an exit nothing."""
    acted = [one for one in answers if one.side != HOLD]
    if not acted:
        return state
    held, recent = dict(state.held), dict(state.recent)
    memory = longest_memory(plan.strategy.params, plan.timeframe.length) or timedelta(0)
    for one in acted:
        terms, at = one.bar.terms, one.bar.closed_at
        if one.is_exit:
            held.pop(terms.id, None)
            continue
        held[terms.id] = one.side * terms.lot_size
        known = recent.get((plan.id, terms.id), Recent()).entries
        recent[plan.id, terms.id] = Recent((*(then for then in known if then >= at - memory), at))
    return _State(held, recent)


# Comparisons


@dataclass(frozen=True, slots=True)
class _Difference:
    closed_at: datetime
    is_act: bool
    text: str


@dataclass(frozen=True)
class _Run:
    """The decisions over all bars, which every other run has to repeat."""

    plan: BotPlan
    make: Callable[[], RegisteredStrategy]
    rows: Sequence[Rows]
    answers: Sequence[Answer]
    states: Sequence[_State]

    @cached_property
    def known(self) -> Mapping[tuple[datetime, int], Answer]:
        """Return the answers by closing instant and instrument."""
        return {(one.bar.closed_at, one.bar.terms.id): one for one in self.answers}

    def fresh(self) -> BotPlan:
        """Return the plan with a strategy that has seen nothing."""
        return replace(self.plan, strategy=self.make())

    def difference(self, found: Sequence[Answer], words: str) -> _Difference | None:
        """Return the first of these answers that is another now; `words` take both sayings."""
        for one in found:
            was = self.known[one.bar.closed_at, one.bar.terms.id]
            if was != one:
                text = f"{_named(one.bar)}: {words.format(*_said(was, one))}"
                return _Difference(one.bar.closed_at, was.act != one.act, text)
        return None


def _remembered(run: _Run) -> Iterator[_Difference]:
    """Yield where two strategies taking turns, asked in another order, answer otherwise."""
    words = "{}, asked again in another order {}: it remembers"
    backwards = [
        replace(plan, instrument_ids=plan.instrument_ids[::-1])
        for plan in (run.fresh(), run.fresh())
    ]
    for place, scored in enumerate(run.rows):
        difference = run.difference(
            _answers(backwards[place % 2], scored, run.states[place]), words
        )
        if difference:
            yield difference


def _copies(
    run: _Run, examined: Sequence[Examined], places: Sequence[int], stretch: int
) -> Iterator[_Difference]:
    """Yield the first difference of every copy that has one."""
    kinds = (
        (ended, "with later bars {}, without {}"),
        (continued, "with these later bars {}, with others {}"),
    )
    for turn, place in enumerate(places):
        first = max(0, place + 1 - stretch)
        since, until = _instant(run.rows[first]), _instant(run.rows[place])
        for change, words in kinds:
            copied = [change(one, until, turn) for one in examined]
            rows = _rows_between(copied, since, until)
            found, _ = _decide(run.fresh(), rows, run.states[first])
            difference = run.difference(found, words)
            if difference:
                yield difference


def _said(was: Answer, now: Answer) -> tuple[str, str]:
    """Return in what two answers to one bar differ, in a word or two each."""
    if was.act != now.act:
        return _act(was), _act(now)
    if was.bar.score.value != now.bar.score.value:
        return _score(was), _score(now)
    for name, *values in zip(
        was.bar.weight_set.names, was.bar.raw, now.bar.raw, was.bar.normalised, now.bar.normalised,
        strict=False,
    ):  # fmt: skip
        for before, after in (values[:2], values[2:]):
            if before != after:
                return f"{name} {before}", f"{name} {after}"
    if was.bar.regime != now.bar.regime:
        return f"regime '{was.bar.regime.trend}'", f"regime '{now.bar.regime.trend}'"
    return f"'{was.reason}'", f"'{now.reason}'"


def _act(one: Answer) -> str:
    return "hold" if one.side == HOLD else side_word(one.side) + (" to close" * one.is_exit)


def _score(one: Answer) -> str:
    value = one.bar.score.value
    return "no score" if value is None else f"score {value / 1e9:+.9f}"


def _named(one: ScoredBar | BotContext) -> str:
    """Return the name of a bar: IBM 1d bar closed 2006-03-01."""
    symbol = one.symbol if isinstance(one, BotContext) else one.terms.symbol
    form = "%Y-%m-%d" if one.timeframe.seconds >= 86400 else "%Y-%m-%d %H:%MZ"
    return f"{symbol} {one.timeframe.value} bar closed {one.closed_at:{form}}"


# Bars


def _places(instants: int, cuts: int, seed: int) -> list[int]:
    """Return where the copies end: random instants, all of them when there are few."""
    chance = np.random.default_rng(seed)
    chosen: list[int] = chance.permutation(instants)[:cuts].tolist()
    return sorted(chosen)


def ended(one: Examined, until: datetime, _turn: int) -> Examined:
    """Return the instrument with nothing after the instant."""
    return replace(one, series=tuple(series[: _closed_by(series, until)] for series in one.series))


def continued(one: Examined, until: datetime, turn: int) -> Examined:
    """Return the instrument with wild bars after the instant, drawn by the turn's number."""
    chance = np.random.default_rng((turn, one.terms.id))
    return replace(one, series=tuple(_gone_wild(each, until, chance) for each in one.series))


def _gone_wild(series: BarSeries, until: datetime, chance: np.random.Generator) -> BarSeries:
    cut = _closed_by(series, until)
    left = len(series) - cut
    if not left or not cut:
        return series
    columns: dict[str, Any] = {one.name: getattr(series, one.name).copy() for one in fields(series)}
    walk = np.clip(np.cumsum(chance.normal(0.0, 0.5, left)), -7.0, 7.0)
    close = series.close[cut - 1] * np.exp(walk)
    open_ = close * np.exp(chance.normal(0.0, 0.1, left))
    columns["close"][cut:], columns["open"][cut:] = close, open_
    columns["high"][cut:] = np.maximum(open_, close) * 1.5
    columns["low"][cut:] = np.minimum(open_, close) / 1.5
    columns["volume"][cut:] *= chance.uniform(0.1, 10.0, left)
    return BarSeries(**columns)


def _closed_by(series: BarSeries, at: datetime) -> int:
    return int(np.searchsorted(series.closed_at, to_micros(at), side="right"))


def _instant(scored: Rows) -> datetime:
    return next(iter(scored.values())).closed_at


def _rows_of(examined: Sequence[Examined], bars: int) -> list[Rows]:
    """Return the last `bars` scored bars of every instrument, by instant."""
    return _by_instant(
        (one, max(0, len(one.series[0]) - bars), len(one.series[0])) for one in examined
    )


def _rows_between(examined: Sequence[Examined], since: datetime, until: datetime) -> list[Rows]:
    """Return the scored bars that closed within both instants."""
    return _by_instant(
        (
            one,
            int(np.searchsorted(one.series[0].closed_at, to_micros(since))),
            _closed_by(one.series[0], until),
        )
        for one in examined
    )


def _by_instant(spans: Iterator[tuple[Examined, int, int]]) -> list[Rows]:
    found: dict[datetime, dict[ScoreKey, ScoredBar]] = {}
    for one, first, last in spans:
        for bar in scored_bars(one, first, last):
            found.setdefault(bar.closed_at, {})[one.key] = bar
    return [found[at] for at in sorted(found)]
