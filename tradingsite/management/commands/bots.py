"""`manage.py bots`: every bot with its stage, state and proof."""

from typing import Any

from marketdata.management.desk_command import DeskCommand
from strategies.models import Bot
from strategies.queries import proof_statuses


class Command(DeskCommand):
    """One row per bot."""

    help = "List the bots: account, strategy, timeframe, instruments, stage, state, proof."

    def answer(self, **_: Any) -> dict[str, Any]:
        """Return a row per bot, by name."""
        chosen = Bot.objects.select_related("account__stream").prefetch_related("instruments")
        bots = list(chosen.order_by("name"))
        statuses = proof_statuses(bots)
        return {
            "bots": [
                {
                    "name": bot.name,
                    "account": bot.account.name,
                    "strategy": bot.strategy,
                    "parameters": bot.parameters,
                    "timeframe": bot.timeframe,
                    "instruments": [str(one) for one in bot.instruments.all()],
                    "capital": bot.capital,
                    "stage": bot.stage,
                    "state": bot.state,
                    "proof": statuses[bot.pk].word,
                }
                for bot in bots
            ]
        }

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print a line per bot."""
        for one in answer["bots"]:
            self.stdout.write(
                f"{one['name']}: {one['strategy']} {one['timeframe']} on {one['account']},"
                f" {one['stage']}, {one['state']}, proof {one['proof']}"
            )
        if not answer["bots"]:
            self.stdout.write("no bot; make one with manage.py create_bot")
