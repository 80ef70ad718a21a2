"""Every rounding against exact fractions."""

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import (
    CASH_UNIT,
    NANO,
    fraction_of,
    fraction_up,
    from_float,
    from_nano,
    notional,
    score_to_nano,
    slip_ticks,
    to_cash,
    to_lots,
    to_price,
    to_ticks,
)

TICKS = st.sampled_from([Decimal(one) for one in ("0.0001", "0.01", "0.05", "0.25", "1", "5")])
LOTS = st.sampled_from([Decimal(one) for one in ("0.00000001", "0.001", "0.3", "1", "75", "100")])
FRACTIONS = st.integers(0, NANO)
AMOUNTS = st.decimals(-(10**15), 10**15, places=8)
QUANTITIES = st.decimals(-(10**9), 10**9, places=10)
PRICES = st.decimals("0.0001", 10**6, places=4)


def half_even(value: Fraction, unit: Fraction) -> Fraction:
    return round(value / unit) * unit  # Fraction rounds half to even


@given(AMOUNTS, FRACTIONS)
def test_fraction_of_when_any_amount_is_half_even_in_cash_units(amount, e9):
    exact = Fraction(amount) * e9 / NANO
    assert Fraction(fraction_of(amount, e9)) == half_even(exact, Fraction(CASH_UNIT))


@given(AMOUNTS, FRACTIONS)
def test_fraction_up_when_any_amount_is_the_next_cash_unit(amount, e9):
    exact, unit = Fraction(amount) * e9 / NANO, Fraction(CASH_UNIT)
    assert Fraction(fraction_up(amount, e9)) == math.ceil(exact / unit) * unit


@given(PRICES, QUANTITIES, st.sampled_from([Decimal(1), Decimal("0.1"), Decimal(75)]))
def test_notional_when_any_trade_is_half_even_in_cash_units(price, quantity, multiplier):
    exact = Fraction(price) * Fraction(quantity) * Fraction(multiplier)
    assert Fraction(notional(price, quantity, multiplier)) == half_even(exact, Fraction(CASH_UNIT))


@given(st.decimals(-(10**12), 10**12, places=14))
def test_to_cash_when_any_amount_is_half_even(amount):
    assert Fraction(to_cash(amount)) == half_even(Fraction(amount), Fraction(CASH_UNIT))


@given(QUANTITIES, LOTS)
def test_to_lots_when_any_quantity_is_whole_lots_towards_zero(quantity, lot):
    lots = to_lots(quantity, lot)
    assert Fraction(lots) == math.trunc(Fraction(quantity) / Fraction(lot)) * Fraction(lot)


@given(st.integers(1, 10**9), TICKS)
def test_to_ticks_when_a_price_lies_on_the_grid_comes_back(ticks, tick):
    assert to_ticks(float(to_price(ticks, tick)), tick) == ticks


@given(st.integers(1, 10**9), FRACTIONS, st.sampled_from([1, -1]))
def test_slip_when_any_fraction_goes_against_the_side_by_whole_ticks(ticks, e9, side):
    slipped = slip_ticks(ticks, side, e9)
    assert (slipped - ticks) * side == math.ceil(Fraction(ticks * e9, NANO))


@given(st.floats(-1, 1))
def test_score_when_made_whole_is_rint(score):
    assert Fraction(score_to_nano(score)) == round(Fraction(score * NANO))
    assert from_nano(score_to_nano(score)) == Decimal(score_to_nano(score)) / NANO


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_from_float_when_finite_reads_back_as_the_same_float(value):
    assert float(from_float(value)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_from_float_when_not_a_number_is_refused(value):
    with pytest.raises(ValueError, match="is no amount"):
        from_float(value)
