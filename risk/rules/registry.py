"""What a rule sees, and the registry that finds every rule file of this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

import risk.rules as folder
from domain.decisions import Check
from domain.portfolio import PortfolioSnapshot
from domain.registry import Registry


@dataclass(frozen=True, slots=True)
class Limits:
    """The profile's limits, as whole 1e-9 of equity, and how old data may be."""

    position_e9: int
    day_loss_e9: int
    drawdown_e9: int
    stale_bars: int


@dataclass(frozen=True, slots=True)
class RuleContext:
    """One sized wish against one account, everything as stored at the deciding instant."""

    control_state: str
    limits: Limits
    portfolio: PortfolioSnapshot
    reserved_cash: Decimal
    exposure: Decimal  # marked worth of the instrument held and on order, before this wish
    requested: Decimal  # notional of this wish at the deciding close
    cost: Decimal  # cash it needs: notional, slippage and fee
    is_exit: bool
    price_age_ms: int
    price_age_limit_ms: int


Rule = Callable[[RuleContext], Check]

RULES: Registry[Rule] = Registry("rule")


@cache
def load_rules() -> Registry[Rule]:
    """Return the registry after importing every rule file, once."""
    RULES.load(folder)
    return RULES
