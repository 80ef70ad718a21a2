"""`manage.py import_quotes FILE ...`: bring quotes, or bars of bids and asks, into the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from domain.bars import Timeframe
from marketdata.management.import_command import ImportCommand, instrument_of
from marketdata.services.import_ledger import Progress
from marketdata.services.import_rows import QUOTE_PLAN, import_rows, quote_bar_plan


class Command(ImportCommand):
    """Import quotes; with --timeframe the bid_ and ask_ columns of bars."""

    help = "Import quotes (ts,bid,bid_size,...), or with --timeframe bars of bids and asks."

    def instrument_arguments(self, parser: CommandParser) -> None:
        """Add the instrument and, for bars, their length."""
        super().instrument_arguments(parser)
        parser.add_argument("--timeframe", help="of bars: 1m 3m 5m 15m 30m 1h 4h 1d 1w")

    def bring_in(
        self, path: Path, progress: Progress, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Import one file of quotes or quote bars."""
        plan = QUOTE_PLAN
        if options["timeframe"]:
            plan = quote_bar_plan(Timeframe.parse(options["timeframe"]))
        return import_rows(
            path=path,
            plan=plan,
            instrument=instrument_of(options),
            zone=options["zone"],
            progress=progress,
        ).as_json()
