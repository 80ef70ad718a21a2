"""The desk as plain values: the same decisions and fills as the walk's, without a table."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np

from domain.bars import BarSeries, from_micros, to_micros
from domain.instruments import InstrumentTerms
from domain.money import ZERO, notional, to_price, to_ticks
from domain.portfolio import MarkedPosition, PortfolioSnapshot, PositionState
from execution.accounting import apply_fill, split_effect
from execution.queries import day_of
from execution.simulation.fill_model import match_market
from execution.trade_cycle import (
    BotPlan,
    Decided,
    InstantInput,
    ScoredBar,
    ScoreKey,
    WorkingOrder,
    decide_instant,
)
from risk.rules.registry import Limits
from strategies.confirmation import Recent

FEE, SLIPPAGE = 500_000, 200_000
LIMITS = Limits(position_e9=10**8, day_loss_e9=5 * 10**7, drawdown_e9=15 * 10**7, stale_bars=3)


@dataclass
class Ledger:
    """The whole desk as plain values, and what it did."""

    terms: dict[int, InstrumentTerms]
    series: dict[int, BarSeries]
    scored: Mapping[datetime, Mapping[ScoreKey, ScoredBar]]
    bots: tuple[BotPlan, ...]
    account: str = "test"
    cash: Decimal = Decimal(1_000_000)
    peak: Decimal = Decimal(1_000_000)
    held: dict[tuple[int, str], PositionState] = field(default_factory=dict)  # and by bot
    working: list[tuple[datetime, Decided]] = field(default_factory=list)
    signals: list[Decided] = field(default_factory=list)
    orders: list[tuple[object, ...]] = field(default_factory=list)
    fills: list[tuple[object, ...]] = field(default_factory=list)
    equity: list[tuple[datetime, Decimal]] = field(default_factory=list)
    entries: dict[tuple[int, int], list[datetime]] = field(default_factory=dict)

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
        for key, was in self.held.items():
            if key[0] == terms.id and was.quantity:
                effect = split_effect(
                    was.quantity,
                    ratio=ratio,
                    lot=terms.lot_size,
                    price_after=self.price(terms.id, at) / ratio,
                    multiplier=terms.multiplier,
                )
                self.cash += effect.cash
                self.held[key] = PositionState(
                    was.quantity + effect.quantity, was.cost - effect.cash, was.realised
                )

    def fill(self, made: Decided, open_price: float, opened_at: datetime) -> None:
        terms, quantity = made.bar.terms, made.verdict.quantity
        match = match_market(
            side=made.side, quantity=quantity, open_price=open_price, terms=terms,
            fee_e9=FEE, slippage_e9=SLIPPAGE,
        )  # fmt: skip
        self.cash -= made.side * notional(match.price, quantity, terms.multiplier) + match.fee
        key = (terms.id, made.bot.name)
        self.held[key] = apply_fill(
            self.held.get(key, PositionState()),
            side=made.side, quantity=quantity, price=match.price, multiplier=terms.multiplier,
        )  # fmt: skip
        self.fills.append((made.client_order_id, quantity, match.price, match.fee, opened_at))

    def decide(self, at: datetime) -> None:
        positions = tuple(
            MarkedPosition(one, bot, state.quantity, self.price(one, at),
                           self.terms[one].multiplier)
            for (one, bot), state in sorted(
                self.held.items(), key=lambda item: (self.terms[item[0][0]].key, item[0][1])
            )
            if state.quantity
        )  # fmt: skip
        equity = self.cash + sum((one.value for one in positions), ZERO)
        self.peak = max(self.peak, equity)
        before = [worth for when, worth in self.equity if when <= day_of(at)]
        result = decide_instant(
            InstantInput(
                env="desk",
                account=self.account,
                closed_at=at,
                lag_ms=0,
                bots=self.bots,
                scored=self.scored[at],
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
                recent={key: Recent(tuple(found)) for key, found in self.entries.items()},
            )
        )  # fmt: skip
        self.equity.append((at, equity))
        for made in result.decided:
            self.signals.append(made)
            if not made.is_exit:
                key = (made.bot.id, made.bar.terms.id)
                self.entries.setdefault(key, []).append(at)
            if made.verdict.approved:
                self.working.append((at, made))
                self.orders.append((made.client_order_id, made.side, made.verdict.quantity, at))

    def run(self, instants: Sequence[datetime], begin: datetime) -> None:
        """Settle and decide every instant after `begin`."""
        settled_to = begin
        for at in instants:
            self.settle(settled_to, at)
            settled_to = at
            self.decide(at)
