"""What a fill and a split do to a position: pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from domain.bars import Split
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


def close_in_units_of(
    close: float, *, closed_at: datetime, splits: Iterable[Split], settled_to: datetime
) -> float:
    """Return a raw close in the units of a position whose splits are booked up to `settled_to`.

    They differ while a split is booked and its first bar is missing, and the other way round.
    """
    for split in splits:
        is_in_close, is_in_position = (
            split.effective_at < closed_at,
            split.effective_at < settled_to,
        )
        if is_in_position and not is_in_close:
            close /= split.ratio
        elif is_in_close and not is_in_position:
            close *= split.ratio
    return close
