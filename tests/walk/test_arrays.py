"""A year walked through the database equals the same year computed over arrays alone."""

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
import pytest

from domain.bars import BarSeries, Timeframe, from_micros, to_micros
from domain.instruments import InstrumentTerms
from domain.money import ZERO, notional, to_price, to_ticks
from domain.portfolio import MarkedPosition, PortfolioSnapshot, PositionState
from domain.signals import DEFAULT_WEIGHTS
from execution.accounting import apply_fill, split_effect
from execution.models import EquityPoint, Fill, Order
from execution.queries import day_of
from execution.simulation.fill_model import match_market
from execution.trade_cycle import BotPlan, InstantInput, ScoredBar, WorkingOrder, decide_instant
from marketdata.indicators.fold import indicator_matrix
from marketdata.indicators.registry import indicator_set
from marketdata.queries import bars_window, instrument_terms
from mlweights.scoring import weigh
from risk.models import Decision
from risk.rules.registry import Limits
from strategies.bots.registry import make_strategy
from strategies.models import Signal
from tests.walk.facts import BEGIN, END, STOCKS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

FEE, SLIPPAGE = 500_000, 200_000
LIMITS = Limits(position_e9=10**8, day_loss_e9=5 * 10**7, drawdown_e9=15 * 10**7, stale_bars=3)


@dataclass
class Ledger:
    """The whole desk as plain values, and what it did."""

    terms: dict[int, InstrumentTerms]
    series: dict[int, BarSeries]
    scores: dict[int, list[object]]
    bots: tuple[BotPlan, ...]
    cash: Decimal = Decimal(1_000_000)
    peak: Decimal = Decimal(1_000_000)
    held: dict[int, PositionState] = field(default_factory=dict)
    working: list[tuple[datetime, object]] = field(default_factory=list)
    signals: list[tuple[object, ...]] = field(default_factory=list)
    orders: list[tuple[object, ...]] = field(default_factory=list)
    fills: list[tuple[object, ...]] = field(default_factory=list)
    equity: list[tuple[datetime, Decimal]] = field(default_factory=list)

    def place(self, instrument: int, at: datetime) -> int:
        """Return where the instrument's last bar closed by `at` lies, -1 before the first."""
        return bisect_right(self.series[instrument].closed_at.tolist(), to_micros(at)) - 1

    def price(self, instrument: int, at: datetime) -> Decimal:
        tick = self.terms[instrument].tick_size
        close = float(self.series[instrument].close[self.place(instrument, at)])
        return to_price(to_ticks(close, tick), tick)

    def settle(self, since: datetime, through: datetime) -> None:
        for one in sorted(self.terms.values(), key=lambda terms: terms.key):
            for split in one.splits:
                if since <= split.effective_at < through:
                    self.split(one, split.effective_at, Decimal(str(split.ratio)))
        for decided_at, made in list(self.working):
            series = self.series[made.bar.terms.id]
            first = int(np.searchsorted(series.opened_at, to_micros(decided_at)))
            if first < len(series) and series.closed_at[first] <= to_micros(through):
                self.working.remove((decided_at, made))
                self.fill(made, float(series.open[first]), from_micros(series.opened_at[first]))

    def split(self, terms: InstrumentTerms, at: datetime, ratio: Decimal) -> None:
        self.working = [
            one for one in self.working if one[1].bar.terms.id != terms.id or one[0] > at
        ]
        was = self.held.get(terms.id, PositionState())
        if was.quantity:
            effect = split_effect(
                was.quantity,
                ratio=ratio,
                lot=terms.lot_size,
                price_after=self.price(terms.id, at) / ratio,
                multiplier=terms.multiplier,
            )
            self.cash += effect.cash
            self.held[terms.id] = PositionState(
                was.quantity + effect.quantity, was.cost - effect.cash, was.realised
            )

    def fill(self, made: object, open_price: float, opened_at: datetime) -> None:
        terms, quantity = made.bar.terms, made.verdict.quantity
        match = match_market(
            side=made.side, quantity=quantity, open_price=open_price, terms=terms,
            fee_e9=FEE, slippage_e9=SLIPPAGE,
        )  # fmt: skip
        self.cash -= made.side * notional(match.price, quantity, terms.multiplier) + match.fee
        self.held[terms.id] = apply_fill(
            self.held.get(terms.id, PositionState()),
            side=made.side, quantity=quantity, price=match.price, multiplier=terms.multiplier,
        )  # fmt: skip
        self.fills.append((made.client_order_id, quantity, match.price, match.fee, opened_at))

    def decide(self, at: datetime) -> None:
        positions = tuple(
            MarkedPosition(one, self.bots[0].name, state.quantity, self.price(one, at),
                           self.terms[one].multiplier)
            for one, state in sorted(self.held.items(), key=lambda item: self.terms[item[0]].key)
            if state.quantity
        )  # fmt: skip
        equity = self.cash + sum((one.value for one in positions), ZERO)
        self.peak = max(self.peak, equity)
        before = [worth for when, worth in self.equity if when <= day_of(at)]
        result = decide_instant(
            InstantInput(
                env="desk",
                account="test",
                closed_at=at,
                lag_ms=0,
                bots=self.bots,
                scored=self.scored(at),
                portfolio=PortfolioSnapshot(
                    self.cash, positions, self.peak, before[-1] if before else equity
                ),
                working=tuple(
                    WorkingOrder(made.bar.terms.id, made.bot.name, made.verdict.requested,
                                 made.verdict.reserved, made.is_exit)
                    for _, made in self.working
                ),
                control_state="active",
                limits=LIMITS,
                fee_e9=FEE,
                slippage_e9=SLIPPAGE,
            )
        )  # fmt: skip
        self.equity.append((at, equity))
        for made in result.decided:
            self.signals.append((made.key, made.side, made.verdict.approved, made.verdict.reason))
            if made.verdict.approved:
                self.working.append((at, made))
                self.orders.append((made.client_order_id, made.side, made.verdict.quantity, at))

    def scored(self, at: datetime) -> dict[tuple[int, str, str], ScoredBar]:
        found = {}
        for one, terms in self.terms.items():
            place = self.place(one, at)
            if place >= 0 and self.series[one].closed_at[place] == to_micros(at):
                found[one, "1d", ""] = ScoredBar(
                    terms=terms, timeframe=Timeframe.D1, closed_at=at,
                    close=float(self.series[one].close[place]), score=self.scores[one][place],
                    raw=(), normalised=(), weight_set=DEFAULT_WEIGHTS, weight_label="",
                    weight_version_id=0, bars_from=at, bars_hash="",
                )  # fmt: skip
        return found


def over_arrays(bot: object, instants: list[datetime]) -> Ledger:
    """Return the year as computed without a table."""
    terms = instrument_terms([one.pk for one in bot.instruments.all()])
    series = {
        one: bars_window(instrument_id=one, timeframe=Timeframe.D1, as_of=END) for one in terms
    }
    chosen = indicator_set(DEFAULT_WEIGHTS.names)
    scores = {
        one: [
            weigh(row, DEFAULT_WEIGHTS)
            for row in indicator_matrix(
                bars, Timeframe.D1, chosen, terms[one].splits
            ).normalised.tolist()
        ]
        for one, bars in series.items()
    }
    plan = BotPlan(
        id=bot.pk,
        name=bot.name,
        strategy=make_strategy(bot.strategy, {}),
        timeframe=Timeframe.D1,
        instrument_ids=tuple(sorted(terms, key=lambda one: terms[one].key)),
    )
    desk, settled_to = Ledger(terms, series, scores, (plan,)), BEGIN
    for at in instants:
        desk.settle(settled_to, at)
        settled_to = at
        desk.decide(at)
    return desk


def test_walk_when_compared_with_arrays_has_equal_signals_orders_fills_and_equity(
    sample_desk, walk_to
):
    stream, account, bot = sample_desk(BEGIN, STOCKS)
    walk_to(stream, account.pk, END)
    points = list(EquityPoint.objects.order_by("closed_at").values_list("closed_at", "equity"))

    pure = over_arrays(bot, [at for at, _ in points])

    decisions = Decision.objects.order_by("signal_id")
    signals = decisions.values_list("signal__key", "signal__side", "approved", "reason")
    assert list(signals) == pure.signals
    orders = Order.objects.order_by("id")
    assert pure.orders == list(
        orders.values_list("client_order_id", "side", "quantity", "decided_at")
    )
    fills = Fill.objects.values_list(
        "order__client_order_id", "quantity", "price", "fee", "executed_at"
    )
    assert sorted(fills) == sorted(pure.fills)
    assert points == pure.equity
    assert Signal.objects.count() > 15
    assert len(pure.fills) > 15
