"""Keep what a check of a bot found."""

from django.db import transaction

from domain.bus import publish
from domain.events import BotChecked
from strategies.models import Bot, BotProof

LONGEST = 300


def record_proof(
    *, bot: Bot, fingerprint: str, bars: int, cuts: int, first_difference: str, actor: str
) -> BotProof:
    """Store the proof: passed when nothing differed."""
    with transaction.atomic():
        proof = BotProof.objects.create(
            bot=bot,
            fingerprint=fingerprint,
            passed=not first_difference,
            bars=bars,
            cuts=cuts,
            first_difference=first_difference[:LONGEST],
        )
        publish(
            BotChecked(
                shard=0,
                actor=actor,
                action="bot_checked",
                subject=bot.name,
                detail={"passed": proof.passed, "first_difference": proof.first_difference},
            )
        )
    return proof
