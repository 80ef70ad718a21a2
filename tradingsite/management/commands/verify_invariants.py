"""Check that what must never be true is not."""

import sys
from typing import Any

from django.core.management.base import CommandParser

from marketdata.management.desk_command import DeskCommand
from tradingsite.invariants import invariants, violations


class Command(DeskCommand):
    """Runs every query of invariants.sql; exit code 1 when one returns a row."""

    help = "Check the record's invariants; exit code 1 when one is broken."

    def arguments(self, parser: CommandParser) -> None:
        """Add nothing: there is one list and it is always run whole."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, print, and leave with 1 when anything is broken."""
        super().handle(*args, **options)
        if self._broken:
            sys.exit(1)

    def answer(self, **_: Any) -> dict[str, Any]:
        """Return how many queries ran and which found rows."""
        broken = violations()
        self._broken = bool(broken)
        return {
            "checked": len(invariants()),
            "violations": [
                {
                    "number": one.invariant.number,
                    "name": one.invariant.name,
                    "rows": one.rows,
                    "first": list(one.first),
                }
                for one in broken
            ],
        }
