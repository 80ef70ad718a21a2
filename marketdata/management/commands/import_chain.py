"""`manage.py import_chain FILE ...`: bring option chains, or derived forwards, into the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from marketdata.management.import_command import ImportCommand
from marketdata.services.import_chain import ChainOptions, import_chain
from marketdata.services.import_ledger import Progress


class Command(ImportCommand):
    """Import option chains and the contracts in them."""

    help = "Import option chains (makes their contracts), or forwards (ts,expiry,forward)."

    def instrument_arguments(self, parser: CommandParser) -> None:
        """Add what the files do not say of the underlying."""
        parser.add_argument("--venue", required=True, help="where the options trade, such as NSE")
        parser.add_argument(
            "--underlying",
            default="",
            metavar="SYM",
            help="of forwards; a chain names its own, and is refused when it is another",
        )
        parser.add_argument("--underlying-kind", help="of a new underlying: equity unless given")

    def bring_in(
        self, path: Path, progress: Progress, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Import one file."""
        names = ("venue", "underlying", "underlying_kind", "currency", "calendar", *self.sizes)
        return import_chain(
            path=path,
            options=ChainOptions(**{name: options[name] for name in names}),
            zone=options["zone"],
            progress=progress,
        ).as_json()
