"""How our commands speak: one JSON object on stdout with --json, everything else on stderr."""

import json
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser


class DeskCommand(BaseCommand):
    """A command that answers with one object; `arguments` adds its options."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --json and the command's own options."""
        parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        self.arguments(parser)

    def arguments(self, parser: CommandParser) -> None:
        """Add the command's own options."""

    def answer(self, **options: Any) -> dict[str, Any]:
        """Return what the command found or did."""
        raise NotImplementedError

    def handle(self, *_: Any, **options: Any) -> None:
        """Run, then print the answer."""
        as_json = options.pop("json")
        answer = self.answer(**options)
        if as_json:
            self.stdout.write(json.dumps(answer, default=_plain))
        else:
            self.print_answer(answer)

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print the answer for a person: one line per field."""
        for name, value in answer.items():
            self.stdout.write(f"{name.replace('_', ' ')}: {value}")

    def progress(self, line: str) -> None:
        """Say on stderr what is going on."""
        self.stderr.write(line, self.style.NOTICE)


def _plain(value: Any) -> str:
    """Return what JSON has no form for as text; an instant as ISO 8601 in UTC, ending in Z."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return str(value)
