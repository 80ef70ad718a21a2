"""`manage.py import_bars FILE ...`: bring a file of bars into the record."""

import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from domain.bars import Timeframe
from marketdata.management.desk_command import DeskCommand
from marketdata.services.import_bars import import_bars
from marketdata.services.name_instruments import InstrumentOptions

SECONDS_BETWEEN_REPORTS = 1.0
COUNTS = ("inserted", "unchanged", "corrected", "repeated", "rejected")


class Command(DeskCommand):
    """Import bars from CSV, CSV.gz or Parquet."""

    help = "Import bars (CSV, CSV.gz, Parquet; layouts ts,... and date,...); safe to repeat."

    def arguments(self, parser: CommandParser) -> None:
        """Add the file, the instrument and its terms."""
        parser.add_argument("file", type=Path, help="the file to read")
        parser.add_argument("--instrument", required=True, metavar="SYM", help="symbol text")
        parser.add_argument("--venue", required=True, help="where it trades, such as NASDAQ")
        parser.add_argument("--timeframe", required=True, help="1m 3m 5m 15m 30m 1h 4h 1d 1w")
        parser.add_argument("--currency", help="of a new instrument; USD unless given")
        parser.add_argument("--kind", help="equity (unless given), crypto, fx or index")
        parser.add_argument("--tick-size", help="smallest price step; inferred unless given")
        parser.add_argument("--lot-size", help="smallest quantity; inferred unless given")

    def answer(self, **options: Any) -> dict[str, Any]:
        """Import; a refusal ends the command with one line and nothing stored."""
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
                progress=_rarely(lambda rows: self.progress(f"{rows:,} rows read")),
            )
        except DatabaseError as error:
            raise CommandError(f"the database refused: {str(error).splitlines()[0]}") from None
        except KeyboardInterrupt:
            self.progress("interrupted: nothing was stored")
            raise
        return report.as_json()

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print what became of the rows."""
        made = "new instrument" if answer["is_new_instrument"] else "instrument"
        counts = ", ".join(f"{answer[name]:,} {name}" for name in COUNTS)
        span = f"{answer['first']} to {answer['last']}"
        lines = [
            f"{made} {answer['instrument']}, {answer['timeframe']}, {span}",
            f"{answer['rows']:,} rows: {counts}",
            f"tick size {answer['tick_size']}, lot size {answer['lot_size']} ({answer['grid']})",
            f"{answer['splits']} new splits",
        ]
        lines += [f"  rejected: {count:,} x {why}" for why, count in answer["reasons"].items()]
        self.stdout.write("\n".join(lines + answer["notes"]))


def _size(option: str, text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise CommandError(f"{option} '{text}' is no number") from None


def _rarely(report: Callable[[int], None]) -> Callable[[int], None]:
    """Return a callable that reports rows read, at most once a second."""
    reported_at = time.monotonic()

    def tell(rows: int) -> None:
        nonlocal reported_at
        if time.monotonic() - reported_at >= SECONDS_BETWEEN_REPORTS:
            reported_at = time.monotonic()
            report(rows)

    return tell
