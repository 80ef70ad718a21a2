"""A wish becomes whole lots inside every limit, or a refusal with its reason."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.money import fraction_of, fraction_up, notional
from domain.portfolio import MarkedPosition
from risk.decide import decide
from risk.rules.registry import load_rules
from tests.risk.plain import STATE, TERMS, WISH, portfolio


def test_decide_when_nothing_objects_sizes_and_reserves():
    verdict = decide(WISH, STATE)
    assert (verdict.approved, verdict.reason) == (True, "")
    assert (verdict.requested_quantity, verdict.quantity) == (100, 100)
    assert (verdict.price, verdict.requested) == (Decimal(100), Decimal(10_000))
    # two basis points are two ticks; five basis points of that the fee
    assert verdict.reserved == Decimal("10002") + Decimal("5.001")
    assert (verdict.used_before, verdict.limit_value) == (0, 10_000)
    assert [check.rule for check in verdict.checks] == ["size", *load_rules()]


def test_decide_when_a_rule_refuses_keeps_every_other_answer():
    verdict = decide(WISH, replace(STATE, control_state="halted"))
    assert (verdict.approved, verdict.quantity, verdict.reserved) == (False, 0, 0)
    assert verdict.requested_quantity == 100
    assert len(verdict.checks) == 1 + len(load_rules())
    assert [check.rule for check in verdict.checks if not check.passed] == ["kill_switch"]


def test_decide_when_leaving_sells_what_is_held_whatever_is_wrong():
    wish = replace(WISH, side=-1, is_exit=True, held=Decimal(37), price_age_ms=10**12)
    verdict = decide(wish, replace(STATE, control_state="halted"))
    assert (verdict.approved, verdict.quantity, verdict.reserved) == (True, 37, 0)
    assert (verdict.used_before, verdict.requested, verdict.limit_value) == (0, 0, 0)


def test_decide_when_a_lot_costs_more_than_the_share_refuses():
    verdict = decide(replace(WISH, close=10_000.01), STATE)
    assert (verdict.approved, verdict.reason) == (False, "not even one lot fits")


def test_decide_when_the_price_is_less_than_half_a_tick_refuses():
    verdict = decide(replace(WISH, close=0.004), STATE)
    assert (verdict.approved, verdict.reason) == (False, "not even one lot fits")


def test_decide_when_equity_is_gone_refuses():
    verdict = decide(WISH, replace(STATE, portfolio=portfolio(cash=Decimal(-5))))
    assert (verdict.approved, verdict.quantity) == (False, 0)


@given(
    st.floats(0.01, 10_000),
    st.floats(0.1, 100),
    st.decimals(0, 120_000, places=2),
    st.integers(0, 500),
    st.decimals(0, 20_000, places=2),
)
def test_decide_when_approved_stays_inside_position_limit_and_cash(
    close, size_pct, cash, shares, on_order
):
    held = MarkedPosition(1, "x", Decimal(shares), Decimal(50), Decimal(1))
    state = replace(
        STATE,
        portfolio=portfolio(cash=cash, positions=(held,), day_start_equity=Decimal(0),
                            peak_equity=Decimal(0)),
        on_order=on_order,
    )  # fmt: skip
    verdict = decide(replace(WISH, close=close, size_pct=size_pct), state)
    equity = state.portfolio.equity
    if verdict.approved:
        assert verdict.used_before + verdict.requested <= verdict.limit_value
        assert verdict.limit_value == fraction_of(equity, 10**8)
        assert verdict.quantity % TERMS.lot_size == 0
        assert verdict.quantity > 0
        assert verdict.requested == notional(verdict.price, verdict.quantity)
        assert verdict.reserved >= fraction_up(verdict.requested, 10**9 + 500_000)
        assert verdict.reserved <= cash
    else:
        assert verdict.reason
        assert (verdict.quantity, verdict.reserved) == (0, 0)
