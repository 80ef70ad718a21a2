"""Begin the demo again."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketdata.management.desk_command import DeskCommand
from tradingsite.pipelines.bootstrap import fresh_start

WARNING = "This deletes every order, fill, score, weight version and audit row."


class Command(DeskCommand):
    """Deletes every order, fill, score, weight version and audit row; keeps bars and users."""

    help = "Delete what trading made (orders, scores, weights, audit) and start the demo again."

    def arguments(self, parser: CommandParser) -> None:
        """Add --yes."""
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def answer(self, **options: Any) -> dict[str, Any]:
        """Ask, then start afresh."""
        if not options["yes"]:
            self.stderr.write(WARNING)
            try:
                said = input("Type 'yes' to go on: ")
            except EOFError:
                said = ""
            if said.strip().lower() != "yes":
                raise CommandError("nothing was changed; --yes does not ask")
        fresh_start(self.progress)
        return {"fresh": True}
