"""Nothing is bought with cash that is not there or already promised."""

from domain.decisions import Check
from risk.rules.registry import RULES, RuleContext


@RULES.register("buying_power")
def buying_power(context: RuleContext) -> Check:
    """Refuse entries that need more cash than is free."""
    free = context.portfolio.cash - context.reserved_cash
    exceeded = context.cost > free and not context.is_exit
    return Check(
        "buying_power", f"{context.cost:f}", f"{free:f}", "not enough free cash" if exceeded else ""
    )
