"""What a strategy's entry must pass before it becomes a signal: rules every bot may switch on.

Exits pass always: none of these rules keeps anybody in a position.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from strategies.bots.base import HOLD, BotContext, Intent, StrategyParams, adapted, clock

__all__ = ["NO_ENTRIES", "Recent", "adapted", "confirmed", "longest_memory"]

# Daily bars close at another UTC hour in summer; half a bar more keeps a cooldown whole.
SLACK = 0.5


@dataclass(frozen=True, slots=True)
class Recent:
    """The closing instants of a bot's last entries on one instrument, oldest first.

    As far back as `longest_memory` says.
    """

    entries: tuple[datetime, ...] = ()


NO_ENTRIES = Recent()


def confirmed(
    intent: Intent, context: BotContext, params: StrategyParams, recent: Recent
) -> Intent:
    """Return the intent, a hold that says what stood against it, or the exit due by now."""
    local = context.closed_at.astimezone(ZoneInfo(context.zone))
    if intent.is_exit:
        return intent
    if _is_past(local.time(), clock("square_off", params.square_off)):
        if context.held and not context.pending:
            return Intent(-context.held, "squared off for the day", is_exit=True)
        return Intent(HOLD, "past the square-off") if intent.side else intent
    if intent.side == HOLD:
        return intent
    why = (
        _outside(local.time(), params)
        or _too_soon(context, params, recent)
        or _too_often(local, params, recent)
        or _too_few(intent.side, context, params)
        or _timeframes_differ(intent.side, context, params)
    )
    return Intent(HOLD, why) if why else intent


def longest_memory(params: StrategyParams, bar_length: timedelta) -> timedelta | None:
    """Return how far back entries matter, None when none do."""
    if not params.cooldown_bars and not params.most_per_day:
        return None
    return max((params.cooldown_bars + SLACK) * bar_length, timedelta(days=2))


def _is_past(now: time, limit: time | None) -> bool:
    return limit is not None and now >= limit


def _outside(now: time, params: StrategyParams) -> str:
    """Refuse outside the hours; hours that end before they begin reach over midnight."""
    begins = clock("session_from", params.session_from) or time.min
    ends = clock("session_to", params.session_to) or time.max
    is_inside = begins <= now < ends if begins < ends else now >= begins or now < ends
    return "" if is_inside else "outside the bot's hours"


def _too_soon(context: BotContext, params: StrategyParams, recent: Recent) -> str:
    if not params.cooldown_bars or not recent.entries:
        return ""
    until = recent.entries[-1] + (params.cooldown_bars + SLACK) * context.timeframe.length
    return f"cooling down until {until:%Y-%m-%d %H:%M}Z" if context.closed_at < until else ""


def _too_often(local: datetime, params: StrategyParams, recent: Recent) -> str:
    if not params.most_per_day:
        return ""
    today = sum(at.astimezone(local.tzinfo).date() == local.date() for at in recent.entries)
    return f"{today} entries today already" if today >= params.most_per_day else ""


def _too_few(side: int, context: BotContext, params: StrategyParams) -> str:
    """Refuse when too small a share of the weight points the signal's way."""
    if not params.agreeing_pct:
        return ""
    agreeing = total = 0.0
    for _, weight, value in _counting(context):
        if value is not None:
            total += abs(weight)
            agreeing += abs(weight) if weight * value * side > 0.0 else 0.0
    share = 100.0 * agreeing / total if total else 0.0
    return f"only {share:.0f}% of the weight agrees" if share < params.agreeing_pct else ""


def _timeframes_differ(side: int, context: BotContext, params: StrategyParams) -> str:
    """Refuse unless the indicators of each timeframe together point the signal's way."""
    if not params.agreeing_timeframes:
        return ""
    sums: dict[str, float] = {}
    for name, weight, value in _counting(context):
        timeframe = name.partition("@")[2] or context.timeframe.value
        # one without a value points nowhere: what cannot be seen confirms nothing
        sums[timeframe] = sums.get(timeframe, 0.0) + weight * (value or 0.0)
    against = sorted(timeframe for timeframe, total in sums.items() if not total * side > 0.0)
    return f"{', '.join(against)} does not agree" if against else ""


def _counting(context: BotContext) -> Iterator[tuple[str, float, float | None]]:
    """Yield name, weight and value of every indicator that counts."""
    weight_set = context.weight_set
    for one in zip(weight_set.names, weight_set.weights, context.normalised, strict=True):
        if one[1]:
            yield one
