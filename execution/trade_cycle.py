"""The narrow waist: one closing instant of one account. Pure; live and backtest call it alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from domain.bars import Timeframe
from domain.decisions import RiskVerdict
from domain.errors import PLUGIN_FAULTS
from domain.instruments import InstrumentTerms
from domain.money import ZERO
from domain.options import OptionChain
from domain.orders import BUY, SELL, client_order_id
from domain.portfolio import MarkedPosition, PortfolioSnapshot
from domain.signals import NO_REGIME, Regime, Score, WeightSet
from mlweights.readings import Readings
from mlweights.scoring import weigh
from risk.decide import RiskState, Wish, decide
from risk.rules.registry import Limits
from strategies.bots.base import HOLD, BotContext, Intent
from strategies.bots.registry import RegisteredStrategy
from strategies.confirmation import NO_ENTRIES, Recent, adapted, confirmed


@dataclass(frozen=True, slots=True)
class ScoredBar:
    """One instrument's closed bar with its score and where both came from."""

    terms: InstrumentTerms
    timeframe: Timeframe
    closed_at: datetime
    close: float
    score: Score
    raw: tuple[float | None, ...]
    normalised: tuple[float | None, ...]
    weight_set: WeightSet
    weight_label: str
    weight_version_id: int
    bars_from: datetime
    bars_hash: str
    raw_before: tuple[float | None, ...] = ()
    normalised_before: tuple[float | None, ...] = ()
    regime: Regime = NO_REGIME
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class BotPlan:
    """One bot at work: its strategy and what it watches, in the order it decides.

    `weights` names whose scores it reads: '' the learned ones, else its strategy's own. A paused
    bot only leaves; `capital` None sizes by all equity.
    """

    id: int
    name: str
    strategy: RegisteredStrategy
    timeframe: Timeframe
    instrument_ids: tuple[int, ...]
    weights: str = ""
    capital: Decimal | None = None
    is_paused: bool = False


FAILED = "the strategy failed"
# As long as the tables keep them.
MOST_OF_A_HOLD, MOST_OF_A_SIGNAL = 80, 200
# A score's place: instrument, timeframe, and whose weights.
ScoreKey = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order on its way: what it may still add to exposure, and the cash it holds."""

    instrument_id: int
    bot: str
    worth: Decimal
    reserved: Decimal
    is_exit: bool


@dataclass(frozen=True, slots=True)
class InstantInput:
    """Everything an account's decisions at one instant depend on."""

    env: str
    account: str
    closed_at: datetime
    lag_ms: int
    bots: tuple[BotPlan, ...]
    scored: Mapping[ScoreKey, ScoredBar]
    portfolio: PortfolioSnapshot
    working: tuple[WorkingOrder, ...]
    control_state: str
    limits: Limits
    fee_e9: int
    slippage_e9: int
    recent: Mapping[tuple[int, int], Recent] = field(default_factory=dict)  # by bot, instrument
    chains: Mapping[int, OptionChain] = field(default_factory=dict)  # by underlying


@dataclass(frozen=True, slots=True)
class Decided:
    """One signal with its verdict and, when approved, the id of its order."""

    key: str
    bot: BotPlan
    bar: ScoredBar
    side: int
    is_exit: bool
    reason: str
    verdict: RiskVerdict
    client_order_id: str
    strength: str
    weight_set: WeightSet  # with the thresholds as they were


@dataclass(frozen=True, slots=True)
class Held:
    """What one bot left alone at this instant, in its instruments' order."""

    bot: BotPlan
    bars: tuple[ScoredBar, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What one instant produced, in deciding order: exits, then entries."""

    decided: tuple[Decided, ...]
    holds: tuple[Held, ...]

    def failures(self) -> dict[str, str]:
        """Return the bots whose strategy raised, with what it said."""
        return {
            held.bot.name: reason
            for held in self.holds
            for reason in held.reasons
            if reason.startswith(FAILED)
        }


@dataclass(frozen=True, slots=True)
class _Candidate:
    bot: BotPlan
    bar: ScoredBar
    side: int
    is_exit: bool
    reason: str
    held: Decimal
    strength: str
    weight_set: WeightSet


def score_instant(
    *, terms: InstrumentTerms, timeframe: Timeframe, closed_at: datetime, close: float,
    readings: Readings, weight_set: WeightSet, weight_label: str, weight_version_id: int,
) -> ScoredBar:  # fmt: skip
    """Return the score of the bar that the folds have just stepped over."""
    return ScoredBar(
        terms=terms,
        timeframe=timeframe,
        closed_at=closed_at,
        close=close,
        score=weigh(readings.normalised, weight_set),
        raw=readings.raw,
        normalised=readings.normalised,
        weight_set=weight_set,
        weight_label=weight_label,
        weight_version_id=weight_version_id,
        bars_from=readings.bars_from,
        bars_hash=readings.bars_hash,
        raw_before=readings.raw_before,
        normalised_before=readings.normalised_before,
        regime=readings.regime,
    )


def score_over_hole(bar: ScoredBar, hole: datetime | None) -> ScoredBar:
    """Return the bar without its score, with the reason, where its inputs reach over the hole.

    `hole` is when the last missing bar of the newest gap known at that instant opened.
    """
    if hole is None or hole < bar.bars_from:
        return bar
    nothing = tuple(None for _ in bar.normalised)
    return replace(
        bar,
        score=weigh(nothing, bar.weight_set),
        raw=nothing,
        normalised=nothing,
        raw_before=nothing,
        normalised_before=nothing,
        regime=NO_REGIME,
        blocked=f"bars are missing up to {hole:%Y-%m-%d %H:%M}Z",
    )


def decide_instant(given: InstantInput) -> CycleResult:
    """Return every signal with its verdict, the budget threaded from one to the next."""
    candidates: list[_Candidate] = []
    holds: list[Held] = []
    for bot in given.bots:
        wanted, held = _ask(bot, given)
        candidates += wanted
        if held is not None:
            holds.append(held)
    candidates.sort(key=lambda one: not one.is_exit)  # stable: exits first, else bot order
    budget = given
    decided: list[Decided] = []
    for candidate in candidates:
        one = _decide_one(candidate, budget)
        decided.append(one)
        if one.verdict.approved:
            budget = replace(budget, working=(*budget.working, _as_working(one)))
    return CycleResult(tuple(decided), tuple(holds))


def _ask(bot: BotPlan, given: InstantInput) -> tuple[list[_Candidate], Held | None]:
    """Return the bot's wishes at this instant, and what it left alone."""
    wanted: list[_Candidate] = []
    left: list[tuple[ScoredBar, str]] = []
    for instrument_id in bot.instrument_ids:
        bar = given.scored.get((instrument_id, bot.timeframe.value, bot.weights))
        if bar is None:  # no bar at T, no decision at T
            continue
        if bar.blocked:
            left.append((bar, bar.blocked))
            continue
        context = _context(bot, bar, given)
        try:
            intent = confirmed(
                _sound(bot.strategy.decide(context), context),
                context,
                bot.strategy.params,
                given.recent.get((bot.id, instrument_id), NO_ENTRIES),
            )
        except PLUGIN_FAULTS as fault:  # it must not stop the other bots
            intent = Intent(HOLD, f"{FAILED}: {type(fault).__name__}: {fault}")
        if bot.is_paused and intent.side != HOLD and not intent.is_exit:
            intent = Intent(HOLD, "the bot is paused: no entries")
        if intent.side == HOLD:
            left.append((bar, _plain(intent.reason, MOST_OF_A_HOLD)))
        else:
            strength = context.weight_set.strength_of(context.score or 0)
            wanted.append(
                _Candidate(
                    *(bot, bar, intent.side, intent.is_exit),
                    _plain(intent.reason, MOST_OF_A_SIGNAL),
                    context.position,
                    *(strength, context.weight_set),
                )
            )
    if not left:
        return wanted, None
    return wanted, Held(bot, tuple(bar for bar, _ in left), tuple(reason for _, reason in left))


def _sound(intent: Intent, context: BotContext) -> Intent:
    """Return the strategy's answer; one that is none, or an exit that adds, is its fault."""
    if not isinstance(intent, Intent) or intent.side not in (BUY, HOLD, SELL):
        raise TypeError(f"no intent: {intent!r}"[:60])
    if not isinstance(intent.reason, str):
        raise TypeError(f"the reason is no text: {intent.reason!r}"[:60])
    if intent.is_exit and intent.side * context.position > 0:
        raise ValueError("an exit on the position's own side would add to it")
    return intent


def _plain(text: str, most: int) -> str:
    """Return the text as the tables take it: printable, and not longer."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:most])


def _context(bot: BotPlan, bar: ScoredBar, given: InstantInput) -> BotContext:
    params = bot.strategy.params
    held = _held(given.portfolio.positions, bar.terms.id, bot.name)
    is_stricter = params.adaptive and not held  # entries only: an exit is never held back
    weight_set = adapted(bar.weight_set, bar.regime) if is_stricter else bar.weight_set
    return BotContext(
        symbol=bar.terms.symbol,
        timeframe=bar.timeframe,
        closed_at=given.closed_at,
        close=bar.close,
        score=bar.score.value,
        weight_set=weight_set,
        raw=bar.raw,
        normalised=bar.normalised,
        raw_before=bar.raw_before,
        normalised_before=bar.normalised_before,
        position=held,
        pending=any(
            order.instrument_id == bar.terms.id and order.bot == bot.name for order in given.working
        ),
        regime=bar.regime,
        zone=bar.terms.zone,
        chain=given.chains.get(bar.terms.id) if bot.strategy.wants_chain else None,
    )


def _decide_one(candidate: _Candidate, given: InstantInput) -> Decided:
    bar, bot = candidate.bar, candidate.bot
    verdict = decide(
        Wish(
            terms=bar.terms,
            side=candidate.side,
            close=bar.close,
            size_pct=bot.strategy.params.size_pct,
            capital=bot.capital,
            is_exit=candidate.is_exit,
            held=candidate.held,
            timeframe_seconds=bar.timeframe.seconds,
            price_age_ms=given.lag_ms + _age_ms(given.closed_at, bar.closed_at),
        ),
        RiskState(
            control_state=given.control_state,
            limits=given.limits,
            portfolio=given.portfolio,
            reserved_cash=sum((order.reserved for order in given.working), ZERO),
            on_order=sum(
                (
                    order.worth
                    for order in given.working
                    if order.instrument_id == bar.terms.id and not order.is_exit
                ),
                ZERO,
            ),
            fee_e9=given.fee_e9,
            slippage_e9=given.slippage_e9,
        ),
    )
    key = signal_key(bot.name, bar, given.closed_at)
    return Decided(
        key=key,
        bot=bot,
        bar=bar,
        side=candidate.side,
        is_exit=candidate.is_exit,
        reason=candidate.reason,
        verdict=verdict,
        client_order_id=client_order_id(
            env=given.env, account=given.account, signal_key=key, leg=0, issue_no=0
        ),
        strength=candidate.strength,
        weight_set=candidate.weight_set,
    )


def signal_key(bot: str, bar: ScoredBar, closed_at: datetime) -> str:
    """Return the natural key of a bot's signal: the same in every run."""
    return f"bot:{bot}:{bar.terms.key}:{bar.timeframe.value}:{closed_at:%Y-%m-%dT%H:%M:%SZ}"


def _held(positions: Sequence[MarkedPosition], instrument_id: int, bot: str) -> Decimal:
    for position in positions:
        if position.instrument_id == instrument_id and position.bot == bot:
            return position.quantity
    return ZERO


def _as_working(one: Decided) -> WorkingOrder:
    return WorkingOrder(
        instrument_id=one.bar.terms.id,
        bot=one.bot.name,
        worth=one.verdict.requested,
        reserved=one.verdict.reserved,
        is_exit=one.is_exit,
    )


def _age_ms(closed_at: datetime, last_closed_at: datetime) -> int:
    return int((closed_at - last_closed_at).total_seconds() * 1000)
