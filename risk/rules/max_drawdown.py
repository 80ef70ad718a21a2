"""Too far below the peak, nothing new is opened."""

from domain.decisions import Check
from domain.money import from_nano
from risk.rules.registry import RULES, RuleContext


@RULES.register("max_drawdown")
def max_drawdown(context: RuleContext) -> Check:
    """Refuse entries once marked equity lies too far below its peak."""
    limit = from_nano(context.limits.drawdown_e9)
    drawdown = context.portfolio.drawdown
    exceeded = drawdown >= limit and not context.is_exit
    return Check(
        "max_drawdown",
        f"{drawdown:.9f}",
        f"{limit:f}",
        "the drawdown is too large" if exceeded else "",
    )
