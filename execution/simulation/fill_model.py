"""A market order fills whole at the open of the first bar it could have met."""

from dataclasses import dataclass
from decimal import Decimal

from domain.instruments import InstrumentTerms
from domain.money import fraction_of, notional, slip_ticks, to_price, to_ticks


@dataclass(frozen=True, slots=True)
class Match:
    """What the venue did: price after slippage, and the fee on the rounded notional."""

    price: Decimal
    fee: Decimal


def match_market(
    *, side: int, quantity: Decimal, open_price: float, terms: InstrumentTerms,
    fee_e9: int, slippage_e9: int,
) -> Match:  # fmt: skip
    """Return the fill at a bar's open: slipped on whole ticks against the side."""
    ticks = slip_ticks(to_ticks(open_price, terms.tick_size), side, slippage_e9)
    price = to_price(ticks, terms.tick_size)
    return Match(price, fraction_of(notional(price, quantity, terms.multiplier), fee_e9))
