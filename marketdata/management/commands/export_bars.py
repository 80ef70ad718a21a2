"""`manage.py export_bars`: write stored bars to a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from domain.bars import Timeframe
from marketdata.adjustment import Adjustment
from marketdata.management.desk_command import DeskCommand
from marketdata.management.import_command import rarely
from marketdata.queries import find_instruments
from marketdata.services.export_bars import export_bars


class Command(DeskCommand):
    """Export bars to CSV, CSV.gz or Parquet."""

    help = "Write stored bars to FILE.csv, .csv.gz or .parquet; import_bars reads them back."

    def arguments(self, parser: CommandParser) -> None:
        """Add the series, the span, the file and the view."""
        modes = [mode.value for mode in Adjustment]
        parser.add_argument("--instrument", required=True, help="SYMBOL or VENUE:SYMBOL")
        parser.add_argument("--timeframe", required=True, help="1m 3m 5m 15m 30m 1h 4h 1d 1w")
        parser.add_argument("--from", dest="since", help="first opening, such as 2024-01-31")
        parser.add_argument("--to", dest="until", help="opening before which the file ends")
        parser.add_argument("--out", type=Path, required=True, help="the file; replaced when whole")
        parser.add_argument("--adjust", choices=modes, default="raw", help="view; raw unless given")

    def answer(self, **options: Any) -> dict[str, Any]:
        """Export; a refusal ends the command with one line and no file."""
        (instrument,) = find_instruments([options["instrument"]])
        return export_bars(
            instrument=instrument,
            timeframe=Timeframe.parse(options["timeframe"]),
            out=options["out"],
            since=_instant("--from", options["since"]),
            until=_instant("--to", options["until"]),
            mode=Adjustment(options["adjust"]),
            progress=rarely(lambda rows: self.progress(f"{rows:,} rows written")),
        ).as_json()


def _instant(option: str, text: str | None) -> datetime | None:
    """Return the instant an option names; one without zone is UTC."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} '{text}' is no time such as 2024-01-31") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
