"""`manage.py import_bars FILE ...`: bring a file of bars into the record."""

import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from domain.bars import Timeframe
from marketdata.services.import_bars import ImportedBars, InstrumentOptions, import_bars

SECONDS_BETWEEN_REPORTS = 1.0


class Command(BaseCommand):
    """Import bars from CSV, CSV.gz or Parquet."""

    help = "Import bars (CSV, CSV.gz, Parquet; layouts ts,... and date,...); safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("file", type=Path, help="the file to read")
        parser.add_argument(
            "--instrument", required=True, metavar="SYM", help="symbol text"
        )
        parser.add_argument(
            "--venue", required=True, help="where it trades, such as NASDAQ"
        )
        parser.add_argument(
            "--timeframe", required=True, help="1m 3m 5m 15m 30m 1h 4h 1d 1w"
        )
        parser.add_argument("--currency", help="of a new instrument; USD unless given")
        parser.add_argument("--kind", help="equity (unless given), crypto, fx or index")
        parser.add_argument(
            "--tick-size", help="smallest price step; inferred unless given"
        )
        parser.add_argument(
            "--lot-size", help="smallest quantity; inferred unless given"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and report; a refusal ends the command with one line and nothing stored."""
        try:
            report = import_bars(
                path=options["file"],
                timeframe=Timeframe.parse(options["timeframe"]),
                instrument=InstrumentOptions(
                    symbol=options["instrument"],
                    venue=options["venue"],
                    kind=options["kind"],
                    currency=options["currency"],
                    tick_size=_size("--tick-size", options["tick_size"]),
                    lot_size=_size("--lot-size", options["lot_size"]),
                ),
                progress=_progress(self.stderr.write),
            )
        except DatabaseError as error:
            raise CommandError(
                f"the database refused: {str(error).splitlines()[0]}"
            ) from None
        except KeyboardInterrupt:
            self.stderr.write("interrupted: nothing was stored")
            raise
        self.stdout.write(
            json.dumps(report.as_json()) if options["json"] else _words(report)
        )


def _size(option: str, text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise CommandError(f"{option} '{text}' is no number") from None


def _progress(write: Callable[[str], object]) -> Callable[[int], None]:
    """Return a callable that reports rows read, at most once a second."""
    reported_at = time.monotonic()

    def report(rows: int) -> None:
        nonlocal reported_at
        if time.monotonic() - reported_at >= SECONDS_BETWEEN_REPORTS:
            reported_at = time.monotonic()
            write(f"{rows:,} rows read")

    return report


def _words(report: ImportedBars) -> str:
    made = "new instrument" if report.is_new_instrument else "instrument"
    counts = ", ".join(
        f"{getattr(report, name):,} {name}"
        for name in ("inserted", "unchanged", "corrected", "repeated", "rejected")
    )
    lines = [
        f"{made} {report.instrument}, {report.timeframe}, {report.first} to {report.last}",
        f"{report.rows:,} rows: {counts}",
        f"tick size {report.tick_size}, lot size {report.lot_size} ({report.grid})",
        f"{report.splits} new splits",
    ]
    lines += [
        f"  rejected: {count:,} x {reason}" for reason, count in report.reasons.items()
    ]
    return "\n".join(lines + report.notes)
