"""Change what a bot does, while it stands still."""

from django.db import transaction

from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import BotChanged
from strategies.bots.registry import make_strategy
from strategies.models import Bot
from strategies.services.change_bot_state import locked_bot
from strategies.services.check_terms import BadBotError, BotTerms, as_read, check_terms
from strategies.services.create_bot import terms_of


class BotAtWorkError(PlumblineError):
    """The bot is not stopped."""

    code = "bot_at_work_conflict"


def change_bot(*, bot_name: str, terms: BotTerms, held: frozenset[int], actor: str) -> Bot:
    """Give a stopped bot new terms; with other decisions than before it is a draft again.

    `held` are the instruments it has positions or orders in: those it cannot let go of.
    """
    with transaction.atomic():
        bot = locked_bot(bot_name)
        before, terms = terms_of(bot), as_read(bot.strategy, terms)
        if before.as_json() == terms.as_json():
            return bot
        if bot.state != "stopped":
            raise BotAtWorkError(f"bot '{bot.name}' is {bot.state}; stop it first")
        check_terms(account=bot.account, strategy=bot.strategy, terms=terms)
        kept = {one.pk for one in terms.instruments}
        left = sorted(str(one) for one in before.instruments if one.pk in held - kept)
        if left:
            raise BadBotError(
                f"bot '{bot.name}' still holds {', '.join(left)}; close that position first"
            )
        if decides_otherwise(bot.strategy, before, terms):
            bot.stage = "draft"
        bot.parameters = dict(terms.parameters)
        bot.timeframe, bot.capital = terms.timeframe, terms.capital
        bot.save(update_fields=["parameters", "timeframe", "capital", "stage"])
        bot.instruments.set(terms.instruments)
        publish(
            BotChanged(
                shard=0,
                actor=actor,
                action="bot_changed",
                subject=bot.name,
                detail={"from": before.as_json(), "to": terms.as_json(), "stage": bot.stage},
            )
        )
    return bot


def decides_otherwise(strategy: str, before: BotTerms, after: BotTerms) -> bool:
    """Tell whether a proof of the terms before says nothing about those after: all but capital."""
    instruments = [{one.pk for one in terms.instruments} for terms in (before, after)]
    if before.timeframe != after.timeframe or instruments[0] != instruments[1]:
        return True
    try:
        was = make_strategy(strategy, dict(before.parameters)).params
    except PlumblineError:
        return True
    return bool(was != make_strategy(strategy, dict(after.parameters)).params)
