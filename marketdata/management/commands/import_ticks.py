"""`manage.py import_ticks FILE ...`: bring files of trades into the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from marketdata.management.import_command import ImportCommand, instrument_of
from marketdata.services.import_ledger import Progress
from marketdata.services.import_rows import TICK_PLAN, import_rows


class Command(ImportCommand):
    """Import trades of shares or of a crypto venue."""

    help = "Import trades (ts,price,size,exchange,... or ts,trade_id,side,...); safe to repeat."

    def bring_in(
        self, path: Path, progress: Progress, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Import one file of trades."""
        return import_rows(
            path=path,
            plan=TICK_PLAN,
            instrument=instrument_of(options),
            zone=options["zone"],
            progress=progress,
        ).as_json()
