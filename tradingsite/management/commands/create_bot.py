"""`manage.py create_bot`: give a strategy an account, as a draft."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from domain.errors import PlumblineError
from marketdata.management.desk_command import DeskCommand
from tradingsite.pipelines.bot_actions import BotWish, capital_of, make_bot, parameters_of


class Command(DeskCommand):
    """Everything is checked at the door."""

    help = (
        "Make a bot: a draft until it is checked and promoted. Example: manage.py create_bot slow"
        " --account paper --strategy sma_crossover --instruments AAPL,IBM --timeframe 1d"
    )

    def arguments(self, parser: CommandParser) -> None:
        """Add the terms."""
        parser.add_argument("name")
        parser.add_argument("--account", required=True)
        parser.add_argument("--strategy", required=True, help="manage.py plugins lists them")
        parser.add_argument("--instruments", required=True, help="SYMBOL or VENUE:SYMBOL, commas")
        parser.add_argument("--timeframe", default="1d")
        parser.add_argument("--parameters", default="", help="name=value,… or a JSON object")
        parser.add_argument(
            "--capital", default="", help="what it sizes by; all equity unless given"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        """Make it; return what it is."""
        try:
            bot = make_bot(
                BotWish(
                    name=options["name"],
                    account=options["account"],
                    strategy=options["strategy"],
                    instruments=[one.strip() for one in options["instruments"].split(",")],
                    timeframe=options["timeframe"],
                    parameters=parameters_of(options["parameters"]),
                    capital=capital_of(options["capital"]),
                ),
                actor="manage.py",
            )
        except PlumblineError as error:
            raise CommandError(str(error)) from None
        return {"bot": bot.name, "stage": bot.stage, "state": bot.state}
