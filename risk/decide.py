"""Size the wish, ask every rule, answer once: pure."""

from dataclasses import dataclass
from decimal import Decimal

from domain.decisions import Check, RiskVerdict
from domain.instruments import InstrumentTerms
from domain.money import (
    NANO,
    ZERO,
    fraction_of,
    fraction_up,
    notional,
    slip_ticks,
    to_price,
    to_ticks,
)
from domain.portfolio import PortfolioSnapshot
from risk.rules.registry import Limits, RuleContext, load_rules
from risk.sizing.fixed_fraction import fixed_fraction


@dataclass(frozen=True, slots=True)
class Wish:
    """A signal on its way through risk."""

    terms: InstrumentTerms
    side: int
    close: float
    size_pct: float
    is_exit: bool
    held: Decimal  # signed quantity the bot holds now
    timeframe_seconds: int
    price_age_ms: int
    capital: Decimal | None = None  # sizes by this instead of all equity


@dataclass(frozen=True, slots=True)
class RiskState:
    """The account as the wish meets it; `on_order` is the worth of entries still working."""

    control_state: str
    limits: Limits
    portfolio: PortfolioSnapshot
    reserved_cash: Decimal
    on_order: Decimal
    fee_e9: int
    slippage_e9: int


def decide(wish: Wish, state: RiskState) -> RiskVerdict:
    """Return the verdict: whole lots, every rule's input and limit, the cash to reserve."""
    terms = wish.terms
    ticks = to_ticks(wish.close, terms.tick_size)
    price = to_price(ticks, terms.tick_size)
    equity = state.portfolio.equity
    quantity = abs(wish.held)
    if not wish.is_exit:
        quantity = _sized(wish, equity, price, state.limits.position_e9)
    requested = notional(price, quantity, terms.multiplier)
    worst = to_price(slip_ticks(ticks, wish.side, state.slippage_e9), terms.tick_size)
    at_worst = notional(worst, quantity, terms.multiplier)
    cost = at_worst + fraction_up(at_worst, state.fee_e9)
    held_worth = state.portfolio.exposures().get(terms.id, ZERO)
    context = RuleContext(
        control_state=state.control_state,
        limits=state.limits,
        portfolio=state.portfolio,
        reserved_cash=state.reserved_cash,
        exposure=held_worth + state.on_order,
        requested=requested,
        cost=cost,
        is_exit=wish.is_exit,
        price_age_ms=wish.price_age_ms,
        price_age_limit_ms=state.limits.stale_bars * wish.timeframe_seconds * 1000,
    )
    checks = (_size_check(quantity), *(rule(context) for _, rule in load_rules().items()))
    refusals = [check.reason for check in checks if not check.passed]
    # Exits free budget instead of using it, so theirs is zero against zero.
    used, asked, limit = ZERO, ZERO, ZERO
    if not wish.is_exit:
        used, asked = context.exposure, requested
        limit = fraction_of(equity, state.limits.position_e9)
    return RiskVerdict(
        approved=not refusals,
        reason=refusals[0] if refusals else "",
        requested_quantity=quantity,
        quantity=ZERO if refusals else quantity,
        price=price,
        reserved=ZERO if refusals or wish.is_exit else cost,
        used_before=used,
        requested=asked,
        limit_value=limit,
        price_age_ms=context.price_age_ms,
        price_age_limit_ms=context.price_age_limit_ms,
        checks=checks,
    )


def _sized(wish: Wish, equity: Decimal, price: Decimal, cap_e9: int) -> Decimal:
    """Return whole lots: a share of the bot's capital, at most the cap's share of equity."""
    capital = equity if wish.capital is None else min(wish.capital, equity)
    shares = ((capital, round(wish.size_pct * NANO / 100)), (equity, cap_e9))
    return min(
        fixed_fraction(equity=base, price=price, fraction_e9=share, terms=wish.terms)
        for base, share in shares
    )


def _size_check(quantity: Decimal) -> Check:
    reason = "" if quantity > 0 else "not even one lot fits"
    return Check("size", f"{quantity:f}", "> 0", reason)
