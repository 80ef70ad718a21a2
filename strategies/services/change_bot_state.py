"""Start, pause and stop bots."""

from django.db import transaction

from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import BotStateChanged
from strategies.bots.registry import make_strategy
from strategies.models import Bot
from strategies.queries import UnknownBotError
from strategies.services.fix_own_weights import fix_own_weights


class UnknownBotStateError(PlumblineError):
    """A bot can only run, pause or stand still."""

    code = "unknown_bot_state"


class DraftBotError(PlumblineError):
    """A bot without a proof was to work."""

    code = "draft_bot_conflict"


class LiveNotArmedError(PlumblineError):
    """Nothing sends real orders yet."""

    code = "live_conflict"


LIVE_NOT_ARMED = "no bot trades live yet: arming comes with the order engine; paper is the last"


def change_bot_state(*, bot_name: str, state: str, actor: str) -> Bot:
    """Set the bot running, paused or stopped; its open positions stay. Twice changes nothing.

    A paused bot still closes what it holds and enters nothing; a stopped one does neither.
    """
    if state not in dict(Bot.STATES):
        raise UnknownBotStateError(f"a bot is 'running', 'paused' or 'stopped', not '{state}'")
    with transaction.atomic():
        bot = locked_bot(bot_name)
        if bot.state == state:
            return bot
        if state != "stopped":
            _refuse_unfit(bot)
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


def locked_bot(name: str) -> Bot:
    """Return the bot, locked until the transaction ends."""
    bots = Bot.objects.select_for_update(of=("self",)).select_related("account__stream")
    bot = bots.filter(name=name).first()
    if bot is None:
        raise UnknownBotError(f"unknown bot '{name}'")
    return bot


def _refuse_unfit(bot: Bot) -> None:
    """Refuse a bot that may not work, or could not."""
    strategy = make_strategy(bot.strategy, bot.parameters)
    fix_own_weights(name=bot.strategy, strategy=strategy)
    if bot.stage == "draft":
        raise DraftBotError(
            f"bot '{bot.name}' is a draft: check it (manage.py check_bot {bot.name}), promote it"
        )
    if bot.stage == "live":
        raise LiveNotArmedError(LIVE_NOT_ARMED)
