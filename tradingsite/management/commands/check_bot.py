"""`manage.py check_bot BOT`: does any of its decisions depend on what came later?"""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from domain.errors import PlumblineError
from marketdata.management.desk_command import DeskCommand
from tradingsite.pipelines.bot_checks import BARS, CUTS, check_bot

MOST_BARS = 100_000
MOST_CUTS = 10_000


class Command(DeskCommand):
    """The proof is stored, passed or failed; a failed one is exit code 1."""

    help = "Check that no decision of a bot depends on later bars; store the proof."

    def arguments(self, parser: CommandParser) -> None:
        """Add which bot, and how much is looked at."""
        parser.add_argument("bot")
        parser.add_argument(
            "--cuts", type=int, default=CUTS, help=f"copies that end early ({CUTS})"
        )
        parser.add_argument(
            "--bars", type=int, default=BARS, help=f"newest bars per instrument ({BARS})"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        """Check it; return the proof."""
        for name, most in (("cuts", MOST_CUTS), ("bars", MOST_BARS)):
            if not 1 <= options[name] <= most:
                raise CommandError(f"--{name} must lie between 1 and {most}")
        try:
            check = check_bot(
                bot_name=options["bot"],
                cuts=options["cuts"],
                bars=options["bars"],
                actor="manage.py",
            )
        except PlumblineError as error:
            raise CommandError(str(error)) from None
        return {
            "bot": options["bot"],
            "passed": check.proof.passed,
            "first_difference": check.proof.first_difference,
            "bars": check.proof.bars,
            "cuts": check.proof.cuts,
            "ms_per_bar": round(1000 * check.verdict.median_seconds, 4),
            "seconds": round(check.seconds, 1),
            "fingerprint": check.proof.fingerprint,
        }

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the proof, then end with 1 when it failed."""
        as_json = options.pop("json")
        answer = self.answer(**options)
        if as_json:
            self.stdout.write(json.dumps(answer))
        else:
            self.print_answer(answer)
        if not answer["passed"]:
            raise SystemExit(1)
