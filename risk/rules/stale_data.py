"""No decision on data that arrived late or is missing its newest bars."""

from domain.decisions import Check
from risk.rules.registry import RULES, RuleContext


@RULES.register("stale_data")
def stale_data(context: RuleContext) -> Check:
    """Refuse entries when the price is older than allowed, by stored facts alone."""
    stale = context.price_age_ms > context.price_age_limit_ms and not context.is_exit
    return Check(
        "stale_data",
        f"{context.price_age_ms} ms",
        f"{context.price_age_limit_ms} ms",
        "the price is too old" if stale else "",
    )
