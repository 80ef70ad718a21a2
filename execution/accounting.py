"""What a fill and a split do to a position: pure."""

from dataclasses import dataclass
from decimal import Decimal

from domain.money import CONTEXT, ZERO, notional, to_cash, to_lots
from domain.portfolio import PositionState


def apply_fill(
    position: PositionState, *, side: int, quantity: Decimal, price: Decimal, multiplier: Decimal
) -> PositionState:
    """Return the position after the fill; profit is taken at average cost, fees apart."""
    signed = side * quantity
    amount = side * notional(price, quantity, multiplier)
    if position.quantity == 0 or (position.quantity > 0) == (side > 0):
        return PositionState(position.quantity + signed, position.cost + amount, position.realised)
    closing = min(quantity, abs(position.quantity))
    share = CONTEXT.divide(closing, abs(position.quantity))
    cost_closed = to_cash(CONTEXT.multiply(position.cost, share))
    paid_closed = to_cash(CONTEXT.multiply(amount, CONTEXT.divide(closing, quantity)))
    return PositionState(
        position.quantity + signed,
        position.cost - cost_closed + (amount - paid_closed),
        position.realised - paid_closed - cost_closed,
    )


@dataclass(frozen=True, slots=True)
class SplitEffect:
    """What a split adds to a position: whole lots, and cash for the fraction of one."""

    quantity: Decimal
    cash: Decimal


def split_effect(
    quantity: Decimal, *, ratio: Decimal, lot: Decimal, price_after: Decimal, multiplier: Decimal
) -> SplitEffect:
    """Return the change of quantity, and the cash paid for what is less than a lot."""
    exact = CONTEXT.multiply(quantity, ratio)
    whole = to_lots(exact, lot)
    fraction = notional(price_after, exact - whole, multiplier) if exact != whole else ZERO
    return SplitEffect(whole - quantity, fraction)
