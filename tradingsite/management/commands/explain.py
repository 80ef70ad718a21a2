"""`manage.py explain`: why a signal was given, and whether its score comes out again."""

import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser

from domain.errors import PlumblineError
from marketdata.management.desk_command import DeskCommand
from tradingsite.api.serializers import ExplanationSerializer
from tradingsite.explain import Explanation, explain_score, explain_signal
from tradingsite.explained_lines import lines_of


class Command(DeskCommand):
    """Explains a signal or a score; exit code 1 when the score does not come out again."""

    help = "Say why a signal was given, and make its score again from stored bars."

    def arguments(self, parser: CommandParser) -> None:
        """Add the signal, or a score."""
        one = parser.add_mutually_exclusive_group(required=True)
        one.add_argument("signal", nargs="?", help="the signal's id or key")
        one.add_argument("--score", type=int, help="the id of a score, for one nobody acted on")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, print, and leave with 1 when the recomputation differs."""
        super().handle(*args, **options)
        again = self._found.recomputed
        if again is not None and not again.is_same:
            self.progress(again.verdict)
            sys.exit(1)

    def answer(self, **options: Any) -> dict[str, Any]:
        """Return the explanation as the API gives it."""
        try:
            self._found = _explained(options["signal"], options["score"])
        except PlumblineError as error:
            raise CommandError(str(error)) from None
        return dict(ExplanationSerializer(self._found).data)

    def print_answer(self, _: dict[str, Any]) -> None:
        """Print the explanation for a person."""
        for line in lines_of(self._found):
            self.stdout.write(line)


def _explained(signal: str | None, score: int | None) -> Explanation:
    return explain_signal(signal or "") if score is None else explain_score(score)
