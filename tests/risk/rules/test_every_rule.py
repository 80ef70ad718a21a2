"""Each rule refuses exactly past its limit, says why, and lets every exit pass."""

from dataclasses import replace
from decimal import Decimal

import pytest

from risk.rules.registry import load_rules
from tests.risk.plain import CONTEXT, portfolio

# rule -> (what is just allowed, what is just too much, the reason)
LINES = {
    "buying_power": (
        {"cost": Decimal(90_000), "reserved_cash": Decimal(10_000)},
        {"cost": Decimal("90000.00000001"), "reserved_cash": Decimal(10_000)},
        "not enough free cash",
    ),
    "daily_loss": (
        {"portfolio": portfolio(cash=Decimal("95000.00000001"))},
        {"portfolio": portfolio(cash=Decimal(95_000))},
        "the day's loss is too large",
    ),
    "kill_switch": ({}, {"control_state": "halted"}, "the kill switch is on: only exits pass"),
    "max_drawdown": (
        {"portfolio": portfolio(cash=Decimal("85000.00000001"))},
        {"portfolio": portfolio(cash=Decimal(85_000))},
        "the drawdown is too large",
    ),
    "max_position": (
        {"exposure": Decimal(4_000), "requested": Decimal(6_000)},
        {"exposure": Decimal(4_000), "requested": Decimal("6000.00000001")},
        "the position would be too large a share of equity",
    ),
    "stale_data": ({"price_age_ms": 1000}, {"price_age_ms": 1001}, "the price is too old"),
}


def test_rules_when_listed_have_each_a_line_here():
    assert list(load_rules()) == sorted(LINES)


@pytest.mark.parametrize("name", LINES)
def test_rule_when_at_its_limit_and_just_past_it_turns(name):
    rule = load_rules().get(name)
    allowed, exceeded, reason = LINES[name]
    assert rule(replace(CONTEXT, **allowed)).reason == ""
    refusal = rule(replace(CONTEXT, **exceeded))
    assert (refusal.rule, refusal.reason, refusal.passed) == (name, reason, False)
    assert refusal.value
    assert refusal.limit
    leaving = rule(replace(CONTEXT, **exceeded, is_exit=True))
    assert leaving.passed
