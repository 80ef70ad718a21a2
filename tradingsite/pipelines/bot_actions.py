"""What people do to bots, whichever face they do it through: command, API, admin or page."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any

from execution.queries import instruments_in_use
from marketdata.queries import find_account, find_instruments
from strategies.models import Bot
from strategies.queries import find_bot
from strategies.services.change_bot import change_bot
from strategies.services.change_bot_state import change_bot_state
from strategies.services.check_terms import BadBotError, BotTerms
from strategies.services.create_bot import create_bot, terms_of
from strategies.services.promote_bot import promote_bot
from tradingsite.celery import nudge
from tradingsite.pipelines.bot_checks import QUICK, check_bot


@dataclass(frozen=True, slots=True)
class BotWish:
    """A bot as a person writes it down: everything by name."""

    name: str
    account: str
    strategy: str
    instruments: Sequence[str]
    timeframe: str
    parameters: Mapping[str, Any]
    capital: Decimal | None = None


def make_bot(wish: BotWish, *, actor: str) -> Bot:
    """Return the new draft."""
    return create_bot(
        name=wish.name,
        account=find_account(wish.account),
        strategy=wish.strategy,
        terms=BotTerms(
            timeframe=wish.timeframe,
            instruments=find_instruments(wish.instruments),
            parameters=wish.parameters,
            capital=wish.capital,
        ),
        actor=actor,
    )


def change_terms(bot_name: str, changes: Mapping[str, Any], *, actor: str) -> Bot:
    """Return the bot with what `changes` name; the rest stays."""
    bot = find_bot(bot_name)
    given = dict(changes)
    if "instruments" in given:
        given["instruments"] = find_instruments(given["instruments"])
    return change_bot(
        bot_name=bot_name,
        terms=replace(terms_of(bot), **given),
        held=instruments_in_use(bot.pk),
        actor=actor,
    )


def _set(state: str, bot_name: str, actor: str) -> str:
    bot = change_bot_state(bot_name=bot_name, state=state, actor=actor)
    nudge(bot.account_id)
    return f"Bot {bot.name} is now {state}."


def _check(bot_name: str, actor: str) -> str:
    proof = check_bot(bot_name=bot_name, actor=actor, **QUICK).proof
    said = "passed its check" if proof.passed else f"failed its check: {proof.first_difference}"
    return f"Bot {bot_name} {said}."


def _promote(bot_name: str, actor: str) -> str:
    return f"Bot {bot_name} is on {promote_bot(bot_name=bot_name, actor=actor).stage} now."


ACTIONS: Mapping[str, Callable[[str, str], str]] = {
    "start": partial(_set, "running"),
    "pause": partial(_set, "paused"),
    "stop": partial(_set, "stopped"),
    "check": _check,
    "promote": _promote,
}


def act_on_bot(verb: str, bot_name: str, *, actor: str) -> str:
    """Do it; return what came of it in a few words."""
    return ACTIONS[verb](bot_name, actor)


def parameters_of(text: str) -> Mapping[str, Any]:
    """Return the parameters a person wrote: name=value by spaces or commas, or JSON."""
    if text.lstrip().startswith("{"):
        try:
            return dict(json.loads(text))
        except ValueError:
            raise BadBotError(f"parameters {text!r} are no JSON object") from None
    pairs = [one.partition("=") for one in text.replace(",", " ").split()]
    wrong = next((name for name, sign, _ in pairs if not sign), None)
    if wrong is not None:
        raise BadBotError(f"'{wrong}' says no value; write name=value")
    return {name: value for name, _, value in pairs}


def capital_of(text: str) -> Decimal | None:
    """Return the amount a person wrote, None for nothing."""
    try:
        return Decimal(text.strip()) if text.strip() else None
    except InvalidOperation:
        raise BadBotError(f"capital '{text}' is no amount") from None
