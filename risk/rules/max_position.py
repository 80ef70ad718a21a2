"""One instrument may be worth only so much of equity."""

from domain.decisions import Check
from domain.money import ZERO, fraction_of
from risk.rules.registry import RULES, RuleContext


@RULES.register("max_position")
def max_position(context: RuleContext) -> Check:
    """Refuse entries that would lift the instrument above its share of marked equity."""
    limit = fraction_of(context.portfolio.equity, context.limits.position_e9)
    change = -context.requested if context.is_exit else context.requested
    after = max(context.exposure + change, ZERO)
    exceeded = after > limit and not context.is_exit
    return Check(
        "max_position",
        f"{after:f}",
        f"{limit:f}",
        "the position would be too large a share of equity" if exceeded else "",
    )
