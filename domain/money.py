"""The only door between floats and money. Five roundings live here and nowhere else.

Prices are whole ticks, quantities whole lots, cash whole 1e-8 of a currency; fees and fractions
are integers of 1e-9, so that an integer engine can give the same result to the last digit.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

CONTEXT = Context(prec=50)
CASH_UNIT = Decimal("0.00000001")
NANO = 10**9
ZERO = Decimal(0)


def to_ticks(price: float, tick: Decimal) -> int:
    """Return the price in whole ticks, `rint(price / tick)`: the only float step."""
    return round(price / float(tick))


def slip_ticks(ticks: int, side: int, fraction_e9: int) -> int:
    """Return the price `fraction_e9` worse for `side` (+1 buys), at least one tick if not 0."""
    return ticks + side * -(-ticks * fraction_e9 // NANO)


def to_price(ticks: int, tick: Decimal) -> Decimal:
    """Return the price of that many ticks."""
    return CONTEXT.multiply(Decimal(ticks), tick)


def to_lots(quantity: Decimal, lot: Decimal) -> Decimal:
    """Return the quantity rounded down to whole lots (towards zero)."""
    lots = CONTEXT.divide(abs(quantity), lot).to_integral_value(ROUND_FLOOR, CONTEXT)
    return CONTEXT.multiply(lots, lot).copy_sign(quantity)


def to_cash(amount: Decimal) -> Decimal:
    """Return the amount half-even to 1e-8 of its currency."""
    return amount.quantize(CASH_UNIT, ROUND_HALF_EVEN, CONTEXT)


def notional(price: Decimal, quantity: Decimal, multiplier: Decimal = Decimal(1)) -> Decimal:
    """Return what the quantity is worth at that price, in whole 1e-8."""
    return to_cash(CONTEXT.multiply(CONTEXT.multiply(price, quantity), multiplier))


def fraction_of(amount: Decimal, fraction_e9: int) -> Decimal:
    """Return `fraction_e9` thousand-millionths of the amount, in whole 1e-8."""
    return to_cash(CONTEXT.multiply(amount, Decimal(fraction_e9)).scaleb(-9, CONTEXT))


def fraction_up(amount: Decimal, fraction_e9: int) -> Decimal:
    """Return the fraction rounded up to 1e-8: what a reservation must hold at least."""
    exact = CONTEXT.multiply(amount, Decimal(fraction_e9)).scaleb(-9, CONTEXT)
    return exact.quantize(CASH_UNIT, ROUND_CEILING, CONTEXT)


def score_to_nano(score: float) -> int:
    """Return the score as a whole number of 1e-9, half-even."""
    return round(score * NANO)


def from_nano(value: int) -> Decimal:
    """Return the whole number of 1e-9 as a decimal."""
    return Decimal(value).scaleb(-9, CONTEXT)


def from_float(value: float) -> Decimal:
    """Return the shortest decimal that reads back as this float; NaN and infinity are refused."""
    number = Decimal(repr(float(value)))
    if not number.is_finite():
        raise ValueError(f"{value} is no amount")
    return number
