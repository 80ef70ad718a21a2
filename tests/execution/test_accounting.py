"""Fills and splits keep every unit of cash and quantity."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.money import ZERO, notional
from domain.portfolio import PositionState
from execution.accounting import apply_fill, split_effect

ONE = Decimal(1)
FILLS = st.lists(
    st.tuples(
        st.sampled_from([1, -1]),
        st.decimals("0.001", 10**6, places=3),
        st.decimals("0.0001", 10**5, places=4),
    ),
    min_size=1,
    max_size=20,
)


def played(fills) -> tuple[PositionState, Decimal]:
    """Return the position after the fills, and the cash they moved."""
    position, cash = PositionState(), ZERO
    for side, quantity, price in fills:
        position = apply_fill(position, side=side, quantity=quantity, price=price, multiplier=ONE)
        cash -= side * notional(price, quantity)
    return position, cash


@given(FILLS)
def test_fills_when_any_come_keep_cash_plus_cost_equal_to_profit_taken(fills):
    position, cash = played(fills)
    assert position.quantity == sum(side * quantity for side, quantity, _ in fills)
    assert cash + position.cost == position.realised


@given(FILLS)
def test_fills_when_closed_in_the_end_leave_no_cost_and_all_profit_in_cash(fills):
    position, cash = played(fills)
    if position.quantity:
        closing = -1 if position.quantity > 0 else 1
        last = (closing, abs(position.quantity), Decimal("12.3456"))
        position, cash = played([*fills, last])
    assert (position.quantity, position.cost) == (0, 0)
    assert position.realised == cash


@given(FILLS)
def test_cost_when_a_position_is_open_has_its_sign(fills):
    position, _ = played(fills)
    if abs(position.cost) > Decimal("0.001"):
        assert (position.cost > 0) == (position.quantity > 0)


def test_fill_when_it_turns_the_position_takes_profit_on_the_closed_part_alone():
    long = apply_fill(
        PositionState(), side=1, quantity=Decimal(10), price=Decimal(5), multiplier=ONE
    )
    short = apply_fill(long, side=-1, quantity=Decimal(15), price=Decimal(7), multiplier=ONE)
    assert short == PositionState(Decimal(-5), Decimal(-35), Decimal(20))


@given(
    st.integers(-(10**6), 10**6),
    st.sampled_from([Decimal(one) for one in ("2", "1.5", "0.1", "0.3333", "7")]),
    st.decimals("0.0001", 10**5, places=4),
)
def test_split_when_any_ratio_leaves_whole_lots_and_pays_less_than_one(quantity, ratio, price):
    held = Decimal(quantity)
    effect = split_effect(held, ratio=ratio, lot=ONE, price_after=price, multiplier=ONE)
    after = held + effect.quantity
    exact = Fraction(held) * Fraction(ratio)
    assert after == int(exact)
    assert abs(effect.cash) <= price
    assert effect.cash == notional(price, held * ratio - after)
    assert effect.cash * held >= 0
