"""A fixed share of equity."""

from decimal import Decimal

from domain.instruments import InstrumentTerms
from domain.money import CONTEXT, ZERO, fraction_of, to_lots


def fixed_fraction(
    *, equity: Decimal, price: Decimal, fraction_e9: int, terms: InstrumentTerms
) -> Decimal:
    """Return whole lots worth at most `fraction_e9` of equity at `price`; 0 when none fits."""
    budget = fraction_of(equity, fraction_e9)
    if budget <= 0 or price <= 0:  # below half a tick a price is none
        return ZERO
    unit = CONTEXT.multiply(price, terms.multiplier)
    return to_lots(CONTEXT.divide(budget, unit), terms.lot_size)
