"""A bad day ends buying for the day."""

from domain.decisions import Check
from domain.money import from_nano
from risk.rules.registry import RULES, RuleContext


@RULES.register("daily_loss")
def daily_loss(context: RuleContext) -> Check:
    """Refuse entries once equity fell too far since the UTC day began."""
    limit = from_nano(context.limits.day_loss_e9)
    loss = context.portfolio.day_loss
    exceeded = loss >= limit and not context.is_exit
    return Check(
        "daily_loss", f"{loss:.9f}", f"{limit:f}", "the day's loss is too large" if exceeded else ""
    )
