"""The walk of one account: whatever its record says comes next, until nothing does."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.conf import settings
from django.db import connection

from domain.bars import Timeframe
from domain.errors import PLUGIN_FAULTS
from domain.instruments import InstrumentTerms
from domain.money import from_nano
from domain.options import OptionChain
from execution.queries import Step, desk_fingerprint, instruments_held, next_step
from execution.services.book_fills import book_fills
from execution.services.cancel_orders import cancel_halted_entries
from execution.services.place_orders import Cycle, CycleReport, place_orders
from execution.services.submit_orders import submit_orders
from execution.trade_cycle import BotPlan, ScoredBar
from marketdata.models import Account
from marketdata.queries import SealedInstant, instrument_terms, option_chain, seals_after
from mlweights.queries import RegimeHistory, WeightHistory, regime_history, weight_history
from mlweights.services.record_scores import NewScore, record_scores
from strategies.bots.registry import make_strategy
from strategies.models import Bot
from strategies.services.fix_own_weights import fix_own_weights
from tradingsite.celery import nudge
from tradingsite.monitoring.alerts import raise_alert
from tradingsite.monitoring.logs import walk_id
from tradingsite.pipelines.scoring import Folds, Watched, watched

WALK_LOCK = 7301  # first half of the advisory lock key; the second is the account
SLICE_SECONDS = 0.25
SEALS_READ = 64

log = structlog.get_logger("walk")
# By stream: one stream's seals may run ahead of another's bars of the same instrument.
_folds: defaultdict[int, Folds] = defaultdict(Folds)
_desks: dict[int, "Desk"] = {}


@dataclass(frozen=True, slots=True)
class Desk:
    """What the walk of one account needs beside bars; good up to `sealed_to`."""

    account: Account
    bots: tuple[BotPlan, ...]
    terms: dict[int, InstrumentTerms]
    weights: WeightHistory
    regimes: RegimeHistory
    sealed_to: datetime
    fingerprint: str


def walk(account_id: int, *, force: bool = False) -> None:
    """Do what the account needs for at most a quarter second, then hand on what is left."""
    with _account_lock(account_id, force=force) as is_ours:
        if not is_ours:  # whoever holds it looks once more before it ends
            return
        _walk_slice(account_id)
    if next_step(account_id) is not None:
        nudge(account_id)


def _walk_slice(account_id: int) -> None:
    deadline = time.monotonic() + SLICE_SECONDS
    desk: Desk | None = None
    cancel_halted_entries(account_id)
    while time.monotonic() < deadline:
        step = next_step(account_id)
        if step is None:
            return
        if desk is None or (step.instant and step.instant.closed_at > desk.sealed_to):
            desk = _desk_of(account_id, step.sealed_to)
        if not _take(step, desk, deadline):
            return


def _take(step: Step, desk: Desk, deadline: float) -> bool:
    """Do one step; tell whether it moved the record."""
    if step.kind == "dispatch":
        sent = submit_orders(desk.account)
        log.info("sent", walk=_id(desk, step.decided_to), account=desk.account.name, orders=sent)
        return sent > 0
    if step.instant is None:
        return False
    if step.kind == "settle":
        for fill in book_fills(desk.account, step.instant.closed_at):
            log.info(
                "filled",
                walk=_id(desk, fill.decided_at),
                account=desk.account.name,
                execution=fill.execution_id,
            )
        return True
    return _decide_on(step, desk, deadline)


def _decide_on(step: Step, desk: Desk, deadline: float) -> bool:
    """Decide this instant and, while nothing else is due, the sealed ones after it.

    Going on without asking what is next is safe: each decision checks the book and its gate
    again under the lock, and refuses when something else has to come first.
    """
    decided_to, moved = step.decided_to, False
    ahead = seals_after(
        stream_id=desk.account.stream_id, after=decided_to, up_to=desk.sealed_to, limit=SEALS_READ
    )
    for instant in ahead:
        report = _decide(instant, decided_to, desk)
        if report is None:
            return moved
        decided_to, moved = instant.closed_at, True
        if not report.is_quiet or time.monotonic() >= deadline:
            return True
    return moved


def _decide(instant: SealedInstant, decided_to: datetime, desk: Desk) -> CycleReport | None:
    """Score, then decide one instant; None when the record had something else to do first."""
    folds = _folds[desk.account.stream_id]
    scored = folds.score(
        _watched(desk, instant.closed_at), closed_at=instant.closed_at, sealed_to=desk.sealed_to
    )
    new = [_new_score(bar) for bar in scored.values() if bar.score.value is not None]
    score_ids = record_scores(closed_at=instant.closed_at, scores=new)
    report = place_orders(
        Cycle(
            env=settings.DESK_ENVIRONMENT,
            account=desk.account,
            instant=instant,
            decided_to=decided_to,
            bots=desk.bots,
            scored=scored,
            score_ids=score_ids,
            terms=desk.terms,
            chains=_chains(desk, instant.closed_at),
        )
    )
    for bot, reason in report.failures.items() if report else ():
        raise_alert(kind="bot_failed", object=bot, message=reason)
    for key, reason in folds.failures.items():
        raise_alert(kind="indicator_failed", object=str(desk.terms[key[0]].key), message=reason)
    if report is not None and report.signals:
        log.info(
            "decided",
            walk=_id(desk, instant.closed_at),
            account=desk.account.name,
            scores=len(new),
            signals=report.signals,
            orders=report.orders,
        )
    return report


def _watched(desk: Desk, closed_at: datetime) -> list[Watched]:
    """Return every instrument, timeframe and weights a bot looks at, once, in natural order."""
    wanted = {
        (one, bot.timeframe, bot.weights): None for bot in desk.bots for one in bot.instrument_ids
    }
    return [
        watched(desk.terms[one], timeframe, source, desk.weights, desk.regimes, closed_at)
        for one, timeframe, source in wanted
    ]


def _chains(desk: Desk, closed_at: datetime) -> dict[int, OptionChain]:
    """Return the option chains that strategies ask for, as known at the instant."""
    underlyings = {
        one for bot in desk.bots if bot.strategy.wants_chain for one in bot.instrument_ids
    }
    return {one: option_chain(underlying_id=one, as_of=closed_at) for one in sorted(underlyings)}


def _new_score(bar: ScoredBar) -> NewScore:
    return NewScore(
        instrument_id=bar.terms.id,
        timeframe=bar.timeframe.value,
        closed_at=bar.closed_at,
        weight_version_id=bar.weight_version_id,
        value=from_nano(bar.score.value or 0),
        raw=bar.raw,
        normalised=bar.normalised,
        contributions=bar.score.contributions,
        bars_from=bar.bars_from,
        bars_hash=bar.bars_hash,
        regime=bar.regime.trend,
        volatility=bar.regime.volatility,
    )


def _desk_of(account_id: int, sealed_to: datetime) -> Desk:
    """Return what the account's walk needs, kept while nothing it was made of has changed.

    Asked after `sealed_to` was read: what is activated later is valid only later.
    """
    fingerprint = desk_fingerprint(account_id)
    known = _desks.get(account_id)
    if known is None or known.fingerprint != fingerprint:
        known = _load_desk(account_id, sealed_to, fingerprint)
        _desks[account_id] = known
    return replace(known, sealed_to=sealed_to)


def _load_desk(account_id: int, sealed_to: datetime, fingerprint: str) -> Desk:
    account = Account.objects.select_related("stream").get(pk=account_id)
    running = Bot.objects.filter(account_id=account_id, state__in=("running", "paused"))
    plans = (_plan(bot) for bot in running.prefetch_related("instruments").order_by("name"))
    bots = tuple(plan for plan in plans if plan is not None)
    seen = sorted({one for bot in bots for one in bot.instrument_ids})
    terms = instrument_terms([*seen, *instruments_held(account_id)])
    weights = weight_history(seen, [bot.weights for bot in bots if bot.weights])
    return Desk(*(account, bots, terms, weights, regime_history(seen)), sealed_to, fingerprint)


def _plan(bot: Bot) -> BotPlan | None:
    """Return the bot's plan; one that cannot be made raises an alert and stops nobody else."""
    try:
        strategy = make_strategy(bot.strategy, bot.parameters)
        source = fix_own_weights(name=bot.strategy, strategy=strategy)
    except PLUGIN_FAULTS as error:
        raise_alert(kind="bot_unusable", object=bot.name, message=str(error))
        return None
    instruments = sorted(bot.instruments.all(), key=lambda one: (one.venue, one.symbol))
    return BotPlan(
        id=bot.pk,
        name=bot.name,
        strategy=strategy,
        timeframe=Timeframe.parse(bot.timeframe),
        instrument_ids=tuple(one.pk for one in instruments),
        weights=source,
        capital=bot.capital,
        is_paused=bot.state == "paused",
    )


@contextmanager
def _account_lock(account_id: int, *, force: bool) -> Iterator[bool]:
    """Hold the account's walk lock: thrift, never correctness; `force` goes past it."""
    if force:
        yield True
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", (WALK_LOCK, account_id))
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        # After a lost connection the server has freed it already.
        if is_ours and connection.connection is not None and not connection.connection.closed:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", (WALK_LOCK, account_id))


def _id(desk: Desk, closed_at: datetime) -> str:
    return walk_id(desk.account.stream.name, closed_at)
