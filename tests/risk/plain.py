"""Plain values of the risk floor for tests."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from domain.instruments import InstrumentTerms
from domain.portfolio import PortfolioSnapshot
from risk.decide import RiskState, Wish
from risk.rules.registry import Limits, RuleContext

LIMITS = Limits(position_e9=10**8, day_loss_e9=5 * 10**7, drawdown_e9=15 * 10**7, stale_bars=3)
EMPTY = PortfolioSnapshot(
    cash=Decimal(100_000),
    positions=(),
    peak_equity=Decimal(100_000),
    day_start_equity=Decimal(100_000),
)
TERMS = InstrumentTerms(
    id=1, venue="SIM", symbol="ACME", currency="USD",
    tick_size=Decimal("0.01"), lot_size=Decimal(1), multiplier=Decimal(1),
)  # fmt: skip
CONTEXT = RuleContext(
    control_state="active",
    limits=LIMITS,
    portfolio=EMPTY,
    reserved_cash=Decimal(0),
    exposure=Decimal(0),
    requested=Decimal(10_000),
    cost=Decimal(10_010),
    is_exit=False,
    price_age_ms=0,
    price_age_limit_ms=1000,
)
STATE = RiskState(
    control_state="active",
    limits=LIMITS,
    portfolio=EMPTY,
    reserved_cash=Decimal(0),
    on_order=Decimal(0),
    fee_e9=500_000,
    slippage_e9=200_000,
)
WISH = Wish(
    terms=TERMS, side=1, close=100.0, size_pct=10.0, is_exit=False, held=Decimal(0),
    timeframe_seconds=86_400, price_age_ms=0,
)  # fmt: skip


def portfolio(**changes: Any) -> PortfolioSnapshot:
    """Return the empty portfolio with changes."""
    return replace(EMPTY, **changes)
