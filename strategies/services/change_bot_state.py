"""Start and stop bots."""

from django.db import transaction

from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import BotStateChanged
from strategies.bots.registry import make_strategy
from strategies.models import Bot


class UnknownBotError(PlumblineError):
    """No bot of that name exists."""

    code = "unknown_bot"


class UnknownBotStateError(PlumblineError):
    """A bot can only run or stand still."""

    code = "unknown_bot_state"


def change_bot_state(*, bot_name: str, state: str, actor: str) -> Bot:
    """Set the bot running or stopped; its open positions stay. Repeating it changes nothing."""
    if state not in dict(Bot.STATES):
        raise UnknownBotStateError(f"a bot is 'running' or 'stopped', not '{state}'")
    with transaction.atomic():
        bot = Bot.objects.select_for_update().filter(name=bot_name).first()
        if bot is None:
            raise UnknownBotError(f"unknown bot '{bot_name}'")
        if bot.state == state:
            return bot
        if state == "running":
            make_strategy(bot.strategy, bot.parameters)
        before = bot.state
        bot.state = state
        bot.save(update_fields=["state"])
        # Shard 0: a bot's state is desk history, no account lock is held here.
        publish(
            BotStateChanged(
                shard=0,
                actor=actor,
                action="bot_" + state,
                subject=bot.name,
                detail={"from": before, "to": state},
            )
        )
    return bot
