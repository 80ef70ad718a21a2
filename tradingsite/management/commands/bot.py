"""`manage.py bot NAME start`: start, pause, stop or promote a bot."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from domain.errors import PlumblineError
from marketdata.management.desk_command import DeskCommand
from strategies.queries import find_bot
from tradingsite.pipelines.bot_actions import ACTIONS, act_on_bot

VERBS = tuple(verb for verb in ACTIONS if verb != "check")  # a command of its own


class Command(DeskCommand):
    """Repeating it changes nothing."""

    help = "Start, pause, stop or promote a bot."

    def arguments(self, parser: CommandParser) -> None:
        """Add which bot and what."""
        parser.add_argument("name")
        parser.add_argument("verb", choices=VERBS)

    def answer(self, **options: Any) -> dict[str, Any]:
        """Do it; return what the bot is then."""
        try:
            act_on_bot(options["verb"], options["name"], actor="manage.py")
        except PlumblineError as error:
            raise CommandError(str(error)) from None
        bot = find_bot(options["name"])
        return {"bot": bot.name, "stage": bot.stage, "state": bot.state}
