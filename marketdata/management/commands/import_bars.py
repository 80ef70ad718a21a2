"""`manage.py import_bars FILE ...`: bring files of bars into the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from domain.bars import Timeframe
from marketdata.management.import_command import ImportCommand, instrument_of
from marketdata.services.import_bars import import_bars
from marketdata.services.import_ledger import Progress


class Command(ImportCommand):
    """Import bars from CSV, CSV.gz or Parquet."""

    help = "Import bars (CSV, CSV.gz, Parquet; layouts ts,... and date,...); safe to repeat."

    def instrument_arguments(self, parser: CommandParser) -> None:
        """Add the instrument and the length of its bars."""
        super().instrument_arguments(parser)
        parser.add_argument("--timeframe", required=True, help="1m 3m 5m 15m 30m 1h 4h 1d 1w")

    def bring_in(
        self, path: Path, progress: Progress, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Import one file of bars."""
        return import_bars(
            path=path,
            timeframe=Timeframe.parse(options["timeframe"]),
            instrument=instrument_of(options),
            zone=options["zone"],
            progress=progress,
        ).as_json()
