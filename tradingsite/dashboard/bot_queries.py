"""What the bots' pages read: a fixed number of queries, whatever the number of bots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count

from domain.bars import Split, Timeframe
from domain.errors import PlumblineError
from domain.money import ZERO
from execution.bot_profits import BotFill, Mark, Pair, correlations, daily_profits
from execution.queries import day_of
from marketdata.models import Account
from marketdata.queries import find_account, instrument_terms
from strategies.bots.registry import RegisteredStrategy, load_strategies, make_strategy
from strategies.models import Bot, BotProof, Hold, Signal
from strategies.queries import ProofStatus, proof_statuses
from tradingsite.dashboard.queries import Desk, PositionRow, SignalRow, positions, signal_rows

WINDOW = timedelta(days=366)
LAST_SIGNALS = 12
LAST_PROOFS = 10


@dataclass(frozen=True)
class BotRow:
    """One bot with what it holds and did today."""

    bot: Bot
    proof: ProofStatus
    positions: int
    value: Decimal
    signals_today: int
    profit: float | None
    days: int

    @property
    def verbs(self) -> tuple[str, ...]:
        """Return what can be done with it now, the most natural first."""
        if self.bot.state == "running":
            return ("pause", "stop", "check")
        if self.bot.state == "paused":
            return ("start", "stop", "check")
        if self.bot.stage == "draft":
            return ("promote", "check") if self.proof.is_good else ("check",)
        return ("start", "check")


def bot_rows(desk: Desk) -> list[BotRow]:
    """Return the account's bots by name."""
    chosen = Bot.objects.filter(account=desk.account).select_related("account__stream")
    held: dict[int | None, list[PositionRow]] = {}
    for row in desk.held:
        held.setdefault(row.position.bot_id, []).append(row)
    today = signals_today(desk)
    bots = list(chosen.prefetch_related("instruments").order_by("name"))
    statuses = proof_statuses(bots)
    profits = profits_of(desk.account)
    return [
        BotRow(
            bot=bot,
            proof=statuses[bot.pk],
            positions=len(held.get(bot.pk, ())),
            value=sum((row.value for row in held.get(bot.pk, ())), ZERO),
            signals_today=today.get(bot.pk, 0),
            profit=sum(profits[bot.name].values()) if bot.name in profits else None,
            days=len(profits.get(bot.name, ())),
        )
        for bot in bots
    ]


def signals_today(desk: Desk) -> dict[int, int]:
    """Return how many signals each bot gave since the desk's day began."""
    rows = Signal.objects.filter(
        account=desk.account, closed_at__gt=day_of(desk.now), closed_at__lte=desk.now
    )
    counted = rows.exclude(bot=None).order_by().values_list("bot_id").annotate(Count("pk"))
    return dict(counted.values_list("bot_id", "pk__count"))


# One bot


@dataclass(frozen=True)
class ParameterRow:
    """One parameter as it is set, with what it may be."""

    name: str
    value: Any
    usual: Any
    allowed: str

    @property
    def is_changed(self) -> bool:
        """Tell whether it differs from the default."""
        return bool(self.value != self.usual)


@dataclass(frozen=True)
class BotDetail:
    """One bot with everything its page says."""

    row: BotRow
    about: str
    parameters: tuple[ParameterRow, ...]
    trouble: str


def bot_detail(desk: Desk, name: str) -> BotDetail | None:
    """Return the bot of that name on the account."""
    row = next((one for one in bot_rows(desk) if one.bot.name == name), None)
    if row is None:
        return None
    try:
        strategy = make_strategy(row.bot.strategy, row.bot.parameters)
    except PlumblineError as error:
        return BotDetail(row, "", (), str(error))
    return BotDetail(row, _about(strategy), tuple(parameter_rows(strategy)), "")


def _about(strategy: RegisteredStrategy) -> str:
    return (type(strategy).__doc__ or "").partition("\n")[0]


def parameter_rows(strategy: RegisteredStrategy) -> list[ParameterRow]:
    """Return the strategy's parameters, its own first, with the range of each."""
    params = strategy.params
    usual = type(params)()
    shared = {one.name for one in fields(type(params).__mro__[1])}
    declared = sorted(fields(params), key=lambda one: one.name in shared)
    return [
        ParameterRow(
            one.name,
            _plain(getattr(params, one.name)),
            _plain(getattr(usual, one.name)),
            _allowed(params, one.name, one.metadata),
        )
        for one in declared
    ]


def _plain(value: Any) -> Any:
    return "off" if value in {"", 0} and not isinstance(value, bool) else value


def _allowed(params: Any, name: str, metadata: Mapping[str, Any]) -> str:
    ranges = dict(getattr(params, "RANGES", {}))
    if metadata:
        ranges[name] = (metadata["low"], metadata["high"])
    if name == "size_pct":
        return "above 0 to 100"
    if name in ranges:
        low, high = ranges[name]
        return f"{low:g} to {high:g}"
    value = getattr(params, name)
    if name == "direction":
        return ", ".join(params.DIRECTIONS)
    if isinstance(value, bool):
        return "true or false"
    return "HH:MM or nothing" if isinstance(value, str) else "see its page"


@dataclass(frozen=True)
class HeldBack:
    """One instrument the bot left alone, and why."""

    closed_at: datetime
    symbol: str
    value: Decimal | None
    reason: str


def last_holds(desk: Desk, name: str) -> list[HeldBack]:
    """Return what the bot left alone at its last instant: one query."""
    chosen = Hold.objects.filter(bot__name=name, bot__account=desk.account, closed_at__lte=desk.now)
    last = chosen.order_by("-closed_at").first()
    if last is None:
        return []
    rows = zip(last.symbols, last.values, last.reasons, strict=False)
    return [HeldBack(last.closed_at, *row) for row in rows]


def last_signals(desk: Desk, name: str) -> tuple[SignalRow, ...]:
    """Return the bot's newest signals with their outcome."""
    found: Any = signal_rows(desk, {"bot": name}, limit=LAST_SIGNALS).rows
    return tuple(found)


def positions_of(desk: Desk, name: str) -> list[PositionRow]:
    """Return what the bot holds and held."""
    return [row for row in positions(desk, only_open=False) if row.owner == name]


def proofs_of(name: str) -> list[BotProof]:
    """Return the bot's newest proofs."""
    return list(BotProof.objects.filter(bot__name=name).order_by("-id")[:LAST_PROOFS])


def strategies_known() -> tuple[str, ...]:
    """Return the names a bot can be made of."""
    return tuple(load_strategies())


# Profits, and how alike they are


@dataclass(frozen=True)
class BotProfit:
    """What one bot earned on its marked days, fees paid."""

    bot: str
    days: int
    profit: float


@dataclass(frozen=True)
class Correlation:
    """How alike the bots of an account earned, over the days both have."""

    account: str
    since: datetime
    until: datetime
    bots: tuple[BotProfit, ...]
    pairs: tuple[Pair, ...]


def correlation_of(account_name: str) -> Correlation:
    """Return it for the year before the account's logical now."""
    account = find_account(account_name)
    profits = profits_of(account)
    now = account.stream.sealed_to
    return Correlation(
        account=account.name,
        since=now - WINDOW,
        until=now,
        bots=tuple(
            BotProfit(bot, len(days), sum(days.values())) for bot, days in sorted(profits.items())
        ),
        pairs=tuple(correlations(profits)),
    )


@dataclass(frozen=True)
class MatrixCell:
    """One cell of the heat map; `heat` is -5…+5."""

    pair: Pair | None

    @property
    def heat(self) -> int:
        """Return the shade, 0 without a number."""
        value = self.pair.correlation if self.pair else None
        return 0 if value is None else round(5 * value)


def matrix(found: Correlation) -> list[tuple[str, list[MatrixCell]]]:
    """Return a row per bot with a cell per bot; empty on the diagonal."""
    known = {}
    for pair in found.pairs:
        known[pair.one, pair.other] = known[pair.other, pair.one] = pair
    names = [one.bot for one in found.bots]
    return [(one, [MatrixCell(known.get((one, other))) for other in names]) for one in names]


FILLS = """
SELECT b.name, o.instrument_id, f.executed_at, o.side * f.quantity::float8, f.price::float8,
       f.fee::float8
FROM execution_fill f JOIN execution_order o ON o.id = f.order_id
JOIN strategies_bot b ON b.id = o.bot_id
WHERE f.account_id = %s AND f.executed_at <= %s ORDER BY f.id
"""
# Midnight ends a day.
MARKS = """
SELECT DISTINCT ON (instrument_id, day) instrument_id, day, opened_at, close FROM (
    SELECT instrument_id, opened_at, closed_at, close,
           ((closed_at - interval '1 microsecond') AT TIME ZONE 'UTC')::date AS day
    FROM marketdata_bar
    WHERE instrument_id = ANY(%s) AND timeframe = %s AND opened_at >= %s AND opened_at < %s
      AND closed_at <= %s) b
ORDER BY instrument_id, day, closed_at DESC
"""


def profits_of(account: Account) -> dict[str, dict[date, float]]:
    """Return each bot's daily profits in the year before the logical now: three queries."""
    now = account.stream.sealed_to
    with connection.cursor() as cursor:
        cursor.execute(FILLS, (account.pk, now))
        fills = [BotFill(*row) for row in cursor.fetchall()]
    traded = sorted({fill.instrument_id for fill in fills})
    if not traded:
        return {}
    terms = instrument_terms(traded)
    known: dict[int, list[Split]] = {
        one.id: [split for split in one.splits if split.effective_at <= now]
        for one in terms.values()
    }
    frame = marking_timeframe(account.stream.timeframes)
    marks: dict[int, list[Mark]] = {}
    with connection.cursor() as cursor:
        cursor.execute(MARKS, (traded, frame, now - WINDOW, now, now))
        for instrument_id, *mark in cursor.fetchall():
            marks.setdefault(instrument_id, []).append(Mark(*mark))
    multipliers = {one.id: float(one.multiplier) for one in terms.values()}
    return daily_profits(fills, marks, known, multipliers)


def marking_timeframe(delivered: Sequence[str]) -> str:
    """Return the longest timeframe up to a day: the fewest bars that have every day's close."""
    by_length = sorted(delivered, key=lambda text: Timeframe.parse(text).seconds)
    within = [text for text in by_length if Timeframe.parse(text).seconds <= 86400]
    return within[-1] if within else by_length[0]
