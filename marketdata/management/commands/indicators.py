"""`manage.py indicators`: values per bar, or what there is."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from domain.bars import Timeframe
from domain.errors import PlumblineError
from marketdata.indicator_facts import facts_of
from marketdata.indicators.registry import load_indicators
from marketdata.management.desk_command import DeskCommand
from marketdata.management.import_command import rarely
from marketdata.queries import find_instruments
from marketdata.services.indicator_values import (
    IndicatorTable,
    indicator_table,
    write_rows,
    write_table,
)


class Command(DeskCommand):
    """Writes raw and normalised values of stored bars as CSV; --list tells what there is."""

    help = "Write indicator values per bar as CSV, to a file or standard output."

    def arguments(self, parser: CommandParser) -> None:
        """Add the series, the indicators, the span and the file."""
        parser.add_argument("--list", action="store_true", help="every registered indicator")
        parser.add_argument("--instrument", help="SYMBOL or VENUE:SYMBOL")
        parser.add_argument("--timeframe", help="1m 3m 5m 15m 30m 1h 4h 1d 1w")
        parser.add_argument(
            "--names",
            nargs="+",
            default=[],
            help="such as rsi,macd or rsi:period=7; all that apply unless given",
        )
        parser.add_argument("--from", dest="since", help="first opening, such as 2024-01-31")
        parser.add_argument("--to", dest="until", help="opening before which the values end")
        parser.add_argument("--csv", type=Path, help="the file; replaced when whole")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write; a refusal ends the command with one line and no file."""
        try:
            if options["list"] or options["csv"] or options["json"]:
                super().handle(*args, **options)
            else:
                table = self._table(options)
                write_rows(table, self.stdout, self._told())
                self._tell_withheld(table)
        except PlumblineError as error:
            raise CommandError(str(error)) from None

    def answer(self, **options: Any) -> dict[str, Any]:
        """Return the list, what was written, or the values themselves."""
        if options["list"]:
            return {"indicators": [asdict(facts_of(name)) for name in load_indicators()]}
        table = self._table(options)
        if options["csv"]:
            written = write_table(table, options["csv"], self._told()).as_json()
            self._tell_withheld(table)
            return written
        told = self._told()
        rows = []
        for row in table.rows:
            rows.append(row)
            told(len(rows))
        self._tell_withheld(table)
        return {
            "instrument": table.instrument,
            "timeframe": table.timeframe,
            "columns": table.columns,
            "not_available": table.not_available,
            "behind_holes": table.withheld.rows,
            "rows": rows,
        }

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print one line per indicator of the list, else one per field."""
        if "indicators" not in answer:
            lists = {name: ", ".join(answer[name]) or "-" for name in ("columns", "not_available")}
            super().print_answer(answer | lists)
            return
        for one in answer["indicators"]:
            params = ", ".join(f"{p['name']}={p['default']}" for p in one["parameters"])
            kind = "directed" if one["is_directed"] else "feature"
            self.stdout.write(
                f"{one['name']:<20} {one['family']:<11} {kind:<9} first value: bar"
                f" {one['first_value'] + 1}, warm-up: {one['warmup']}; {params or 'no parameters'}"
            )

    def _table(self, options: dict[str, Any]) -> IndicatorTable:
        if not options["instrument"] or not options["timeframe"]:
            raise CommandError("say --instrument and --timeframe, or --list")
        since, until = _instant("--from", options["since"]), _instant("--to", options["until"])
        if since and until and since >= until:
            raise CommandError(f"--from {options['since']} is not before --to {options['until']}")
        (instrument,) = find_instruments([options["instrument"]])
        table = indicator_table(
            instrument=instrument,
            timeframe=Timeframe.parse(options["timeframe"]),
            names=_specs(options["names"]),
            since=since,
            until=until,
        )
        for spec, why in table.not_available.items():
            self.progress(f"{spec}: {why}")
        return table

    def _tell_withheld(self, table: IndicatorTable) -> None:
        if table.withheld.rows:
            self.progress(
                f"rows left empty because they look back over a missing bar:"
                f" {table.withheld.rows:,}; manage.py check_data shows open gaps"
            )

    def _told(self) -> Callable[[int], None]:
        # The clock starts with the first row: before it code may be compiled.
        report = cache(lambda: rarely(lambda rows: self.progress(f"{rows:,} rows written")))

        def tell(rows: int) -> None:
            report()(rows)

        return tell


def _specs(given: list[str]) -> list[str]:
    """Return the specs of a list such as rsi,macd:fast=5,slow=9, whose parameters hold commas."""
    specs: list[str] = []
    for part in ",".join(given).split(","):
        if "=" in part and ":" not in part and specs:
            specs[-1] += f",{part}"
        elif part:
            specs.append(part)
    return specs


def _instant(option: str, text: str | None) -> datetime | None:
    """Return the instant an option names; one without zone is UTC."""
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} '{text}' is no time such as 2024-01-31") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
