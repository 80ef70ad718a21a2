"""The open, slipped by whole ticks against the side, and the fee on what was paid."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from execution.simulation.fill_model import Match, match_market
from tests.risk.plain import TERMS


def test_match_when_bought_and_sold_slips_against_each():
    given_ = {"quantity": Decimal(100), "open_price": 101.0, "terms": TERMS}
    costs = {"fee_e9": 500_000, "slippage_e9": 200_000}
    bought = match_market(side=1, **given_, **costs)
    sold = match_market(side=-1, **given_, **costs)
    assert bought == Match(Decimal("101.03"), Decimal("5.0515"))
    assert sold == Match(Decimal("100.97"), Decimal("5.0485"))


@given(
    st.floats(0.02, 10**5),
    st.integers(1, 10**5),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.sampled_from([1, -1]),
)
def test_match_when_any_lies_on_the_grid_and_never_helps(price, lots, fee_e9, slippage_e9, side):
    match = match_market(
        side=side, quantity=Decimal(lots), open_price=price, terms=TERMS,
        fee_e9=fee_e9, slippage_e9=slippage_e9,
    )  # fmt: skip
    opened = Fraction(round(price / 0.01), 100)
    assert Fraction(match.price) % Fraction(1, 100) == 0
    assert (Fraction(match.price) - opened) * side >= 0
    assert abs(Fraction(match.price) - opened) < opened * slippage_e9 / 10**9 + Fraction(1, 100)
    exact = Fraction(match.price) * lots * fee_e9 / 10**9
    assert abs(Fraction(match.fee) - exact) <= Fraction(1, 2 * 10**8)
