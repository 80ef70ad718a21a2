"""Nothing but exits while the account is halted."""

from domain.decisions import Check
from risk.rules.registry import RULES, RuleContext


@RULES.register("kill_switch")
def kill_switch(context: RuleContext) -> Check:
    """Refuse entries unless the account is active."""
    halted = context.control_state != "active" and not context.is_exit
    return Check(
        "kill_switch",
        context.control_state,
        "active",
        "the kill switch is on: only exits pass" if halted else "",
    )
