"""Let a proven bot leave draft."""

from django.db import transaction

from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import BotPromoted
from strategies.models import Bot
from strategies.queries import ProofStatus, proof_status
from strategies.services.change_bot_state import (
    LIVE_NOT_ARMED,
    LiveNotArmedError,
    locked_bot,
)

# 'backtested' is asked for between the two from the backtest issue on.
NOT_OFFERED = "'backtested' is not offered yet: a checked draft goes on to paper"


class UnknownStageError(PlumblineError):
    """There is no such stage, or no way to it."""

    code = "unknown_bot_stage"


class NoProofError(PlumblineError):
    """Nothing shows that the bot's decisions need no later bar."""

    code = "bot_proof_conflict"


def promote_bot(*, bot_name: str, actor: str, stage: str = "paper") -> Bot:
    """Let the bot go from draft to paper, on the strength of its proof; from there none goes on."""
    if stage == "live":
        raise LiveNotArmedError(LIVE_NOT_ARMED)
    if stage != "paper":
        known = stage in dict(Bot.STAGES)
        raise UnknownStageError(NOT_OFFERED if known else f"unknown stage '{stage}'; known: paper")
    with transaction.atomic():
        bot = locked_bot(bot_name)
        if bot.stage == stage:
            raise LiveNotArmedError(f"bot '{bot.name}' is on {stage} already; {LIVE_NOT_ARMED}")
        status = proof_status(bot)
        if not status.is_good:
            raise NoProofError(_why(bot, status))
        before, bot.stage = bot.stage, stage
        bot.save(update_fields=["stage"])
        proof = status.proof
        publish(
            BotPromoted(
                shard=0,
                actor=actor,
                action="bot_promoted",
                subject=bot.name,
                detail={"from": before, "to": stage, "proof": proof.pk if proof else None},
            )
        )
    return bot


def _why(bot: Bot, status: ProofStatus) -> str:
    check = f"run manage.py check_bot {bot.name}"
    if status.proof is None:
        return f"bot '{bot.name}' was never checked: {check}"
    if status.word == "outdated":
        return f"bot '{bot.name}' or its code changed since it was checked: {check} again"
    return f"bot '{bot.name}' failed its check: {status.proof.first_difference}"
