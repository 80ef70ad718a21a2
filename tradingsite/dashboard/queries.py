"""What the pages read. A fixed number of queries per panel; nothing later than `sealed_to`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from django.db import connection
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone

from domain.bars import Timeframe
from domain.money import ZERO, from_float, notional
from domain.portfolio import fall
from execution.models import Book, EquityPoint, Fill, Order, Position
from execution.queries import day_start_equity
from marketdata.models import Account, Instrument, Seal, Split, Stream
from marketdata.queries import last_closes
from mlweights.models import Score, WeightVersion
from mlweights.queries import score_on_old_data
from risk.models import Control, Decision, Halt
from strategies.models import Bot, BotProof, Hold, Signal
from tradingsite.dashboard.charts import CurvePoint
from tradingsite.models import Alert

CURVE_POINTS = 240
SPARK_BARS = 60
FEED_ROWS = 9
PAGE_ROWS = 50
HOLD_INSTANTS = 20
SILENT_AFTER = timedelta(seconds=30)
RANGES = {"3m": timedelta(days=92), "1y": timedelta(days=366), "all": None}
NANO = Decimal(10) ** 9


@dataclass(frozen=True)
class Desk:
    """One account with its clock, book and control: what every panel starts from."""

    account: Account
    book: Book | None
    control: Control | None
    halt: Halt | None
    accounts: tuple[str, ...]

    @property
    def stream(self) -> Stream:
        """Return the stream whose seals are this account's clock."""
        return self.account.stream

    @property
    def now(self) -> datetime:
        """Return the desk's logical now: nothing later may be shown."""
        return self.stream.sealed_to

    @property
    def is_halted(self) -> bool:
        """Tell whether the kill switch is on."""
        return self.control is not None and self.control.state == "halted"

    @property
    def timeframe(self) -> str:
        """Return the stream's shortest timeframe, the one prices are shown in."""
        return min(self.stream.timeframes, key=lambda text: Timeframe.parse(text).seconds)

    @cached_property
    def held(self) -> list["PositionRow"]:
        """Return the open positions, read once however many panels ask."""
        return positions(self)

    @cached_property
    def totals(self) -> "Totals | None":
        """Return the account in numbers, read once however many panels ask."""
        return totals(self)


def load_desk(account_name: str = "") -> Desk | None:
    """Return the desk of that account, of the first one when there is none of that name."""
    accounts = list(Account.objects.select_related("stream").order_by("pk"))
    if not accounts:
        return None
    account = next((one for one in accounts if one.name == account_name), accounts[0])
    control = Control.objects.select_related("profile").filter(pk=account.pk).first()
    is_halted = control is not None and control.state == "halted"
    halts = Halt.objects.filter(account=account, to_at__isnull=True)
    return Desk(
        account=account,
        book=Book.objects.filter(pk=account.pk).first(),
        control=control,
        halt=halts.first() if is_halted else None,
        accounts=tuple(one.name for one in accounts),
    )


def desk_version(desk: Desk) -> str:
    """Return a text that changes whenever anything a panel shows has changed."""
    book, control = desk.book, desk.control
    bots = list(Bot.objects.order_by("pk").values_list("state", "stage"))
    proofs = BotProof.objects.aggregate(last=Max("pk"))
    weights = WeightVersion.objects.aggregate(last=Max("pk"), valid=Max("valid_from"))
    alerts = Alert.objects.aggregate(last=Max("pk"), open=Count("pk", filter=Q(cleared_at=None)))
    parts = (
        desk.account.pk,
        book and (book.version, book.moved_at, book.decided_to),
        control and (control.state, control.halt_epoch),
        (desk.stream.sealed_to, desk.stream.is_finished, desk.stream.pace_seconds),
        bots,
        *proofs.values(),
        *weights.values(),
        *alerts.values(),
    )
    return "|".join(map(str, parts))


# The clock


@dataclass(frozen=True)
class Clock:
    """Where the desk stands in logical time, and how far the replay has come."""

    now: datetime
    is_replay: bool
    is_finished: bool
    is_catching_up: bool
    silent_since: datetime | None
    fast_until: datetime | None
    ends_at: datetime | None
    pace_seconds: float
    progress: float | None
    behind: int


def clock(desk: Desk) -> Clock:
    """Return the desk's clock: two queries."""
    stream = desk.stream
    seals = Seal.objects.filter(stream=stream)
    decided_to = desk.book.decided_to if desk.book else stream.sealed_to
    facts = seals.aggregate(first=Min("closed_at"))
    behind = seals.filter(closed_at__gt=decided_to, closed_at__lte=stream.sealed_to).count()
    heartbeat = stream.heartbeat_at
    is_silent = not stream.is_finished and (
        heartbeat is None or timezone.now() - heartbeat > SILENT_AFTER
    )
    return Clock(
        now=stream.sealed_to,
        is_replay=stream.kind == "replay",
        is_finished=stream.is_finished,
        is_catching_up=bool(stream.fast_until and stream.sealed_to < stream.fast_until),
        silent_since=heartbeat if is_silent else None,
        fast_until=stream.fast_until,
        ends_at=stream.ends_at,
        pace_seconds=stream.pace_seconds,
        progress=_progress(facts["first"], stream.sealed_to, stream.ends_at),
        behind=behind,
    )


def _progress(begin: datetime | None, now: datetime, end: datetime | None) -> float | None:
    if begin is None or end is None or end <= begin:
        return None
    return min(1.0, max(0.0, (now - begin) / (end - begin)))


# Money


@dataclass(frozen=True)
class Totals:
    """The account in six numbers, marked at the last decided instant."""

    marked_at: datetime
    equity: Decimal
    cash: Decimal
    today: Decimal
    today_share: Decimal
    total: Decimal
    total_share: Decimal
    exposure: Decimal
    exposure_share: Decimal
    largest_share: Decimal
    largest: str
    drawdown: Decimal
    day_loss: Decimal
    peak: Decimal


def totals(desk: Desk) -> Totals | None:
    """Return equity, profit, exposure and drawdown; None before the first mark."""
    points = EquityPoint.objects.filter(account=desk.account, closed_at__lte=desk.now)
    last = points.order_by("-closed_at").first()
    first = points.order_by("closed_at").first()
    if last is None or first is None:
        return None
    # The same question risk asks, so that the page and the rule never disagree.
    day_start = day_start_equity(desk.account.pk, last.closed_at) or first.equity
    held = desk.held
    worth: dict[str, Decimal] = {}
    for row in held:
        worth[row.instrument.symbol] = worth.get(row.instrument.symbol, ZERO) + abs(row.value)
    largest = max(worth, key=lambda symbol: worth[symbol], default="")
    exposure = sum(worth.values(), ZERO)
    peak = max(desk.book.peak_equity if desk.book else last.equity, last.equity)
    return Totals(
        marked_at=last.closed_at,
        equity=last.equity,
        cash=last.cash,
        today=last.equity - day_start,
        today_share=_share(last.equity - day_start, day_start),
        total=last.equity - first.equity,
        total_share=_share(last.equity - first.equity, first.equity),
        exposure=exposure,
        exposure_share=_share(exposure, last.equity),
        largest_share=_share(worth.get(largest, ZERO), last.equity),
        largest=largest,
        drawdown=fall(peak, last.equity),
        day_loss=fall(day_start, last.equity),
        peak=peak,
    )


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return part / whole if whole > 0 else ZERO


@dataclass(frozen=True)
class LimitUse:
    """One limit: what is used of it, what is left, and what it stops when nothing is."""

    name: str
    used: Decimal
    limit: Decimal
    note: str
    stops: str

    @property
    def share(self) -> Decimal:
        """Return the used part, 1 at the limit."""
        return _share(self.used, self.limit)

    @property
    def headroom(self) -> Decimal:
        """Return what is left, never below zero."""
        return max(ZERO, self.limit - self.used)


def limits(desk: Desk) -> tuple[LimitUse, ...]:
    """Return the account's limits with their use; empty before the first mark."""
    now = desk.totals
    if now is None or desk.control is None:
        return ()
    profile = desk.control.profile
    return (
        LimitUse(
            "Drawdown", now.drawdown, profile.drawdown_e9 / NANO, "below the peak", "no new entries"
        ),
        LimitUse(
            "Day loss", now.day_loss, profile.day_loss_e9 / NANO, "since 00:00", "no new entries"
        ),
        LimitUse(
            "Largest position",
            now.largest_share,
            profile.position_e9 / NANO,
            now.largest or "none",
            "nothing is added to it",
        ),
    )


CURVE = """
WITH marked AS (
    SELECT closed_at, equity, 1 - equity / max(equity) OVER (ORDER BY closed_at) AS down
    FROM execution_equitypoint WHERE account_id = %s AND closed_at <= %s
), chosen AS (
    SELECT *, ntile(%s) OVER (ORDER BY closed_at) AS bucket FROM marked WHERE closed_at > %s
)
SELECT max(closed_at), (array_agg(equity ORDER BY closed_at DESC))[1], max(down)
FROM chosen GROUP BY bucket ORDER BY bucket
"""


def equity_curve(desk: Desk, span: str = "all") -> list[CurvePoint]:
    """Return at most CURVE_POINTS marks of the span, oldest first: one query."""
    length = RANGES.get(span)
    begin = desk.now - length if length else datetime(1, 1, 2, tzinfo=desk.now.tzinfo)
    with connection.cursor() as cursor:
        cursor.execute(CURVE, (desk.account.pk, desk.now, CURVE_POINTS, begin))
        return [CurvePoint(at, equity, float(down)) for at, equity, down in cursor.fetchall()]


# Market


@dataclass(frozen=True)
class MarketRow:
    """One instrument: its last closes in today's units, and its last score."""

    instrument: Instrument
    closed_at: datetime | None
    last: float | None
    change: float | None
    closes: tuple[float, ...]
    score: Score | None

    @property
    def buy(self) -> Decimal | None:
        """Return the buying threshold of the weights behind the score."""
        return Decimal(self.score.weight_version.buy_threshold) / NANO if self.score else None

    @property
    def sell(self) -> Decimal | None:
        """Return the selling threshold of the weights behind the score."""
        return Decimal(self.score.weight_version.sell_threshold) / NANO if self.score else None

    @property
    def says(self) -> str:
        """Return what the score means under those thresholds."""
        if self.score is None or self.buy is None or self.sell is None:
            return ""
        value = self.score.value
        return "buy" if value >= self.buy else "sell" if value <= self.sell else "hold"


def market(desk: Desk) -> list[MarketRow]:
    """Return every instrument of the stream: four queries."""
    instruments = list(desk.stream.instruments.order_by("venue", "symbol"))
    closes = _recent_closes(desk, [one.pk for one in instruments])
    scores = latest_scores(desk, [one.pk for one in instruments])
    return [_market_row(one, closes.get(one.pk, []), scores.get(one.pk)) for one in instruments]


def _market_row(
    instrument: Instrument, closes: Sequence[tuple[datetime, float]], score: Score | None
) -> MarketRow:
    values = tuple(close for _, close in closes)
    return MarketRow(
        instrument=instrument,
        closed_at=closes[-1][0] if closes else None,
        last=values[-1] if values else None,
        change=values[-1] / values[-2] - 1 if len(values) > 1 else None,
        closes=values,
        score=score,
    )


# `opened_at <` lets the primary key skip bars a replay has not reached yet.
RECENT = """
SELECT i.id, b.opened_at, b.closed_at, b.close FROM unnest(%s::bigint[]) AS i(id)
CROSS JOIN LATERAL (
    SELECT opened_at, closed_at, close FROM marketdata_bar
    WHERE instrument_id = i.id AND timeframe = %s AND opened_at < %s AND closed_at <= %s
    ORDER BY opened_at DESC LIMIT %s
) b ORDER BY i.id, b.opened_at
"""


def _recent_closes(desk: Desk, ids: list[int]) -> dict[int, list[tuple[datetime, float]]]:
    """Return the last closes per instrument, older ones in the units of the newest."""
    with connection.cursor() as cursor:
        cursor.execute(RECENT, (ids, desk.timeframe, desk.now, desk.now, SPARK_BARS))
        rows = cursor.fetchall()
    if not rows:
        return {}
    splits = list(
        Split.objects.filter(
            instrument_id__in=ids,
            effective_at__gt=min(row[1] for row in rows),
            effective_at__lte=desk.now,
        )
    )
    newest = {row[0]: row[1] for row in rows}
    found: dict[int, list[tuple[datetime, float]]] = {}
    for instrument_id, opened_at, closed_at, close in rows:
        ratio = 1.0
        for split in splits:
            is_between = opened_at < split.effective_at <= newest[instrument_id]
            if split.instrument_id == instrument_id and is_between:
                ratio *= float(split.ratio)
        found.setdefault(instrument_id, []).append((closed_at, close / ratio))
    return found


LATEST_SCORES = """
SELECT s.id FROM unnest(%s::bigint[]) AS i(id)
CROSS JOIN LATERAL (
    SELECT id FROM mlweights_score
    WHERE instrument_id = i.id AND timeframe = %s AND closed_at <= %s
    ORDER BY closed_at DESC, weight_version_id DESC LIMIT 1
) s
"""


def latest_scores(desk: Desk, ids: list[int]) -> dict[int, Score]:
    """Return the newest score of each instrument with its weight version: two queries."""
    with connection.cursor() as cursor:
        cursor.execute(LATEST_SCORES, (ids, desk.timeframe, desk.now))
        chosen = [row[0] for row in cursor.fetchall()]
    scores = Score.objects.filter(pk__in=chosen).select_related("weight_version")
    return {score.instrument_id: score for score in scores}


# Positions


@dataclass(frozen=True)
class PositionRow:
    """One position valued at the last close its stream knows."""

    position: Position
    price: Decimal | None
    value: Decimal
    share: Decimal | None

    @property
    def instrument(self) -> Instrument:
        """Return what is held."""
        return self.position.instrument

    @property
    def owner(self) -> str:
        """Return the bot that holds it, or a person."""
        return self.position.bot.name if self.position.bot else "person"

    @property
    def entry(self) -> Decimal | None:
        """Return what one unit cost on average."""
        units = self.position.quantity * self.instrument.multiplier
        return self.position.cost / units if units else None

    @property
    def open_profit(self) -> Decimal | None:
        """Return the profit not taken yet."""
        return None if self.price is None else self.value - self.position.cost

    @property
    def open_share(self) -> Decimal | None:
        """Return the open profit as a fraction of the cost."""
        cost = abs(self.position.cost)
        return None if self.open_profit is None or not cost else self.open_profit / cost


def positions(desk: Desk, *, only_open: bool = True) -> list[PositionRow]:
    """Return the account's positions, largest first: three queries."""
    held = Position.objects.filter(account=desk.account).select_related("instrument", "bot")
    if only_open:
        held = held.exclude(quantity=0)
    found = list(held.order_by("instrument__symbol", "bot__name"))
    closes = last_closes(
        instrument_ids=sorted({one.instrument_id for one in found}),
        timeframes=desk.stream.timeframes,
        as_of=desk.now,
    )
    marks = {key: from_float(close.price) for key, close in closes.items()}
    equity = (
        EquityPoint.objects.filter(account=desk.account, closed_at__lte=desk.now)
        .order_by("-closed_at")
        .values_list("equity", flat=True)
        .first()
    )
    rows = [_position_row(one, marks.get(one.instrument_id), equity) for one in found]
    return sorted(rows, key=lambda row: abs(row.value), reverse=True)


def _position_row(held: Position, price: Decimal | None, equity: Decimal | None) -> PositionRow:
    value = notional(price, held.quantity, held.instrument.multiplier) if price else held.cost
    return PositionRow(held, price, value, abs(value) / equity if equity else None)


# Signals, orders, fills


@dataclass(frozen=True)
class SignalRow:
    """A signal with what became of it."""

    signal: Signal
    decision: Decision | None
    order_id: int | None

    @property
    def outcome(self) -> str:
        """Return order, refused with its reason, or waiting."""
        if self.decision is None:
            return "waiting"
        return "approved" if self.decision.approved else self.decision.reason or "refused"


@dataclass(frozen=True)
class Slice:
    """One page of a list, newest first; `older` is the id to continue below."""

    rows: tuple[object, ...]
    older: int | None
    is_first: bool


def signal_rows(
    desk: Desk, filters: Mapping[str, str] | None = None, *, limit: int = FEED_ROWS
) -> Slice:
    """Return signals newest first with their outcome: three queries."""
    chosen = Signal.objects.filter(account=desk.account, closed_at__lte=desk.now)
    wanted = filters or {}
    chosen = _only(chosen, wanted, {"instrument": "instrument__symbol", "bot": "bot__name"})
    if wanted.get("side") in ("buy", "sell"):
        chosen = chosen.filter(side=1 if wanted["side"] == "buy" else -1)
    found, older = _newest(
        chosen.select_related("instrument", "bot", "score").annotate(
            is_on_old_data=score_on_old_data("score__")
        ),
        wanted.get("before", ""),
        limit,
    )
    ids = [one.pk for one in found]
    decisions = {one.signal_id: one for one in Decision.objects.filter(signal_id__in=ids)}
    decided = [one.pk for one in decisions.values()]
    orders = dict(Order.objects.filter(decision_id__in=decided).values_list("decision_id", "pk"))
    rows = []
    for one in found:
        decision = decisions.get(one.pk)
        rows.append(SignalRow(one, decision, orders.get(decision.pk) if decision else None))
    return Slice(tuple(rows), older, not wanted.get("before"))


def order_rows(
    desk: Desk, filters: Mapping[str, str] | None = None, *, limit: int = FEED_ROWS
) -> Slice:
    """Return orders newest first: one query."""
    chosen = Order.objects.filter(account=desk.account, decided_at__lte=desk.now)
    fields = {"instrument": "instrument__symbol", "bot": "bot__name", "state": "state"}
    wanted = filters or {}
    found, older = _newest(
        _only(chosen, wanted, fields).select_related("instrument", "bot"),
        wanted.get("before", ""),
        limit,
    )
    return Slice(tuple(found), older, not wanted.get("before"))


def fill_rows(desk: Desk, *, limit: int = FEED_ROWS) -> list[Fill]:
    """Return fills newest first: one query."""
    chosen = Fill.objects.filter(account=desk.account, executed_at__lte=desk.now)
    return list(chosen.select_related("order__instrument", "order__bot").order_by("-id")[:limit])


def _only(chosen: QuerySet, wanted: Mapping[str, str], fields: Mapping[str, str]) -> QuerySet:
    """Return the rows that match every filter given; unknown values match nothing."""
    given = {field: wanted[name] for name, field in fields.items() if wanted.get(name)}
    return chosen.filter(**given)


def _newest(chosen: QuerySet, before: str, limit: int) -> tuple[list, int | None]:
    """Return rows in falling order of id, which is the order they were decided in."""
    if before.isascii() and before.isdecimal() and len(before) < 19:
        chosen = chosen.filter(pk__lt=int(before))
    found = list(chosen.order_by("-pk")[: limit + 1])
    older = found[limit - 1].pk if len(found) > limit else None
    return found[:limit], older


@dataclass(frozen=True)
class HoldRow:
    """One instrument a bot looked at and left alone."""

    closed_at: datetime
    bot: str
    symbol: str
    value: Decimal | None
    reason: str
    score_id: int | None


def hold_rows(desk: Desk) -> list[HoldRow]:
    """Return what the bots left alone at their last instants: one query."""
    known = Hold.objects.filter(bot__account=desk.account, closed_at__lte=desk.now)
    rows = known.select_related("bot").order_by("-pk")[:HOLD_INSTANTS]
    return [
        HoldRow(hold.closed_at, hold.bot.name, *held)
        for hold in rows
        for held in zip(hold.symbols, hold.values, hold.reasons, hold.scores, strict=False)
    ]


def bot_rows(desk: Desk) -> list[Bot]:
    """Return the account's bots with their instruments: two queries."""
    bots = Bot.objects.filter(account=desk.account).order_by("name")
    return list(bots.prefetch_related("instruments"))


@dataclass(frozen=True)
class Choices:
    """What the filters of a list offer."""

    instruments: tuple[str, ...]
    bots: tuple[str, ...]


def choices(desk: Desk) -> Choices:
    """Return the instruments and bots of the account: two queries."""
    symbols = desk.stream.instruments.order_by("symbol").values_list("symbol", flat=True)
    bots = Bot.objects.filter(account=desk.account).order_by("name")
    return Choices(tuple(symbols), tuple(bots.values_list("name", flat=True)))


# Weights


@dataclass(frozen=True)
class WeightLine:
    """One indicator's weight, and how far it moved from the parent's."""

    indicator: str
    weight: float
    change: float | None


@dataclass(frozen=True)
class VersionRow:
    """One weight version, laid out for reading."""

    version: WeightVersion
    lines: tuple[WeightLine, ...]
    largest: float
    buy: Decimal
    sell: Decimal
    measures: tuple[tuple[str, object], ...]
    is_deciding: bool


@dataclass(frozen=True)
class VersionGroup:
    """All versions of one instrument and timeframe, newest first."""

    title: str
    rows: tuple[VersionRow, ...]


def weight_groups(desk: Desk, filters: Mapping[str, str]) -> tuple[list[VersionGroup], int | None]:
    """Return the versions by instrument and timeframe, and the id to continue below."""
    chosen = WeightVersion.objects.select_related("instrument", "parent", "training_run")
    chosen = _only(chosen, filters, {"instrument": "instrument__symbol"})
    found, older = _newest(chosen, filters.get("before", ""), PAGE_ROWS)
    groups: dict[str, list[WeightVersion]] = {}
    for version in found:
        groups.setdefault(_group_title(version), []).append(version)
    deciding = _deciding_versions(desk.now)
    # The default last: every instrument with versions of its own decides by those.
    ordered = sorted(groups.items(), key=lambda one: (one[1][0].instrument is None, one[0]))
    return [
        VersionGroup(
            title, tuple(_version_row(one, is_deciding=one.pk in deciding) for one in versions)
        )
        for title, versions in ordered
    ], older


def _deciding_versions(now: datetime) -> set[int]:
    """Return, per instrument and timeframe, the version with the greatest valid_from so far."""
    scope = ("instrument_id", "group", "timeframe", "regime")
    valid = WeightVersion.objects.filter(valid_from__lte=now)
    newest = valid.order_by(*scope, "-valid_from", "-pk").distinct(*scope)
    return set(newest.values_list("pk", flat=True))


def _group_title(version: WeightVersion) -> str:
    name = version.instrument.symbol if version.instrument else "Default, any instrument"
    return f"{name} · {version.timeframe}" if version.timeframe else name


def _version_row(version: WeightVersion, *, is_deciding: bool) -> VersionRow:
    parent = dict(version.parent.weights) if version.parent else {}
    lines = tuple(
        WeightLine(name, weight, weight - parent[name] if name in parent else None)
        for name, weight in version.weights
    )
    return VersionRow(
        version=version,
        lines=lines,
        largest=max((abs(line.weight) for line in lines), default=1.0) or 1.0,
        buy=Decimal(version.buy_threshold) / NANO,
        sell=Decimal(version.sell_threshold) / NANO,
        measures=tuple(version.measures.items()),
        is_deciding=is_deciding,
    )
