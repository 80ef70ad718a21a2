"""`manage.py resample_bars`: longer bars out of stored shorter ones."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from domain.bars import Timeframe
from marketdata.management.desk_command import DeskCommand
from marketdata.queries import find_instruments
from marketdata.services.resample_bars import refuse_impossible, resample_bars


class Command(DeskCommand):
    """Make longer bars, session by session; safe to repeat."""

    help = "Make longer bars out of stored shorter ones; what is stored already stays."

    def arguments(self, parser: CommandParser) -> None:
        """Add which bars, and what to make of them."""
        parser.add_argument("--instrument", nargs="+", required=True, metavar="SYM")
        parser.add_argument("--source", required=True, help="the shorter timeframe, such as 1m")
        parser.add_argument("--target", nargs="+", required=True, help="such as 5m 1h 1d")

    def answer(self, **options: Any) -> dict[str, Any]:
        """Make every target of every instrument; return the counts."""
        source = Timeframe.parse(options["source"])
        targets = [Timeframe.parse(text) for text in options["target"]]
        wanted = [
            (instrument, target)
            for instrument in find_instruments(options["instrument"])
            for target in targets
        ]
        for instrument, target in wanted:  # before the first bar is stored
            refuse_impossible(instrument=instrument, source=source, target=target)
        rows = []
        for instrument, target in wanted:
            self.progress(f"{instrument} {target.value}")
            done = resample_bars(instrument=instrument, source=source, target=target)
            rows.append({"instrument": str(instrument), "timeframe": target.value, **asdict(done)})
        return {"source": source.value, "series": rows}

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print a line per series."""
        for row in answer["series"]:
            what = f"{row['instrument']} {row['timeframe']} of {answer['source']}"
            self.stdout.write(
                f"{what}: {row['made']:,} made, {row['stored']:,} new,"
                f" {row['holed']:,} left out over holes"
            )
