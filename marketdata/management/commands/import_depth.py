"""`manage.py import_depth FILE ...`: bring order books into the record, by level or by order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from marketdata.management.import_command import ImportCommand, instrument_of
from marketdata.services.import_ledger import Progress
from marketdata.services.import_rows import LEVEL_PLAN, MESSAGE_PLAN, import_rows

PLANS = {"L2": LEVEL_PLAN, "L3": MESSAGE_PLAN}


class Command(ImportCommand):
    """Import an order book: changed price levels (L2) or messages about orders (L3)."""

    help = "Import order books: --level L2 (ts,seq,type,...) or L3 (ts,ts_recv,action,...)."

    def instrument_arguments(self, parser: CommandParser) -> None:
        """Add the instrument and how deep its book goes."""
        super().instrument_arguments(parser)
        parser.add_argument(
            "--level", required=True, choices=tuple(PLANS), help="L2: by price, L3: by order"
        )

    def bring_in(
        self, path: Path, progress: Progress, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Import one file of a book."""
        return import_rows(
            path=path,
            plan=PLANS[options["level"]],
            instrument=instrument_of(options),
            zone=options["zone"],
            progress=progress,
        ).as_json()
