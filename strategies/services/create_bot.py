"""Give a strategy an account, as a draft."""

from django.db import transaction

from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import BotCreated
from marketdata.models import Account
from strategies.models import Bot
from strategies.services.check_terms import BotTerms, as_read, check_name, check_terms


class BotExistsError(PlumblineError):
    """Another bot bears the name."""

    code = "bot_name_conflict"


def create_bot(*, name: str, account: Account, strategy: str, terms: BotTerms, actor: str) -> Bot:
    """Return the new bot: a draft that stands still. The same wish again returns the same bot."""
    check_name(name)
    terms = as_read(strategy, terms)
    with transaction.atomic():
        check_terms(account=account, strategy=strategy, terms=terms)
        bot, is_new = Bot.objects.get_or_create(
            name=name,
            defaults={
                "account": account,
                "strategy": strategy,
                "parameters": dict(terms.parameters),
                "timeframe": terms.timeframe,
                "capital": terms.capital,
            },
        )
        if not is_new:
            if (bot.account_id, bot.strategy, terms_of(bot).as_json()) != (
                *(account.pk, strategy),
                terms.as_json(),
            ):
                raise BotExistsError(f"a bot '{name}' exists already; choose another name")
            return bot
        bot.instruments.set(terms.instruments)
        publish(
            BotCreated(
                shard=0,
                actor=actor,
                action="bot_created",
                subject=name,
                detail={"account": account.name, "strategy": strategy, **terms.as_json()},
            )
        )
    return bot


def terms_of(bot: Bot) -> BotTerms:
    """Return what the bot does now."""
    return BotTerms(
        timeframe=bot.timeframe,
        instruments=tuple(bot.instruments.all()),
        parameters=bot.parameters,
        capital=bot.capital,
    )
