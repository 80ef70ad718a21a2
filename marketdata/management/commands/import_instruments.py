"""`manage.py import_instruments FILE|--provider NAME`: bring a master of instruments in."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from marketdata.management.desk_command import DeskCommand
from marketdata.services.import_instruments import import_instruments

COUNTS = ("added", "changed", "unchanged", "repeated", "rejected", "expired", "missing", "symbols")
MOST_LINES = 20


class Command(DeskCommand):
    """Import instruments, and say what is different from before."""

    help = "Import instruments from a master (CSV, JSON) or a provider; says what differs."

    def arguments(self, parser: CommandParser) -> None:
        """Add where they come from, and what the master is."""
        parser.add_argument("file", type=Path, nargs="?", help="the master, CSV or JSON, also .gz")
        parser.add_argument(
            "--provider", default="", help="whose list, or whose symbols the file holds"
        )
        parser.add_argument(
            "--complete", action="store_true", help="what it lacks of its venues is not listed"
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what differs, store nothing"
        )

    def answer(self, **options: Any) -> dict[str, Any]:
        """Import; a refusal ends the command with one line and nothing stored."""
        return import_instruments(
            path=options["file"],
            provider_name=options["provider"],
            is_complete=options["complete"],
            is_dry_run=options["dry_run"],
            progress=lambda rows: self.progress(f"{rows:,} rows read"),
        ).as_json()

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print the difference, the changed lots first."""
        counts = ", ".join(f"{answer[name]:,} {name}" for name in COUNTS if answer[name])
        lines = [f"{answer['source']}: {answer['rows']:,} rows: {counts}"]
        if answer["is_dry_run"]:
            lines.append("a dry run: nothing was stored")
        lots = answer["changed_lots"]
        lines += [f"  lot changed: {_words(one)}" for one in lots[:MOST_LINES]]
        lines += [f"  changed: {_words(one)}" for one in answer["changes"][:MOST_LINES]]
        lines += [f"  {name} changed of {count:,}" for name, count in answer["fields"].items()]
        lines += [f"  expired: {name}" for name in answer["expired_names"][:MOST_LINES]]
        lines += [f"  no longer listed: {name}" for name in answer["missing_names"][:MOST_LINES]]
        lines += [f"  rejected: {count:,} x {why}" for why, count in answer["reasons"].items()]
        self.stdout.write("\n".join(lines + answer["notes"]))


def _words(change: dict[str, str]) -> str:
    old, new = change["old"] or "none", change["new"] or "none"
    return f"{change['instrument']} {change['field']} {old} -> {new}"
