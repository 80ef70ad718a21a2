"""`manage.py check_data`: what is missing in the record and what looks odd."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from domain.bars import Timeframe
from domain.errors import PlumblineError
from marketdata.management.desk_command import DeskCommand
from marketdata.models import DataFinding, DataGap, Instrument
from marketdata.queries import find_instruments
from marketdata.services.backfill_gaps import accept_gap, backfill_gaps
from marketdata.services.check_series import check_series
from marketdata.services.find_gaps import find_gaps
from marketdata.services.read_series import StoredSeries, stored_series

BY = "check_data"
MOST_CALLS = 10_000  # a person waits for the whole answer


class Command(DeskCommand):
    """Compare stored bars with the calendars and look for odd ones."""

    help = (
        "Find missing bars and odd ones; ask providers for them, or accept that they are missing."
    )

    def arguments(self, parser: CommandParser) -> None:
        """Add which series, and what to do about their gaps."""
        parser.add_argument("--instrument", nargs="+", metavar="SYM", help="SYMBOL or VENUE:SYMBOL")
        parser.add_argument("--timeframe", help="1m 3m 5m 15m 30m 1h 4h 1d 1w; all unless given")
        parser.add_argument("--backfill", action="store_true", help="ask the providers for gaps")
        parser.add_argument("--accept", action="store_true", help="settle the gaps that stay open")

    def answer(self, **options: Any) -> dict[str, Any]:
        """Look at every chosen series; return a row for each."""
        wanted = options["timeframe"] and Timeframe.parse(options["timeframe"])
        named = options["instrument"] and {
            one.pk for one in find_instruments(options["instrument"])
        }
        chosen = [
            one
            for one in stored_series()
            if (not named or one.instrument_id in named) and wanted in {None, one.timeframe}
        ]
        instruments = Instrument.objects.in_bulk({one.instrument_id for one in chosen})
        rows = []
        for one in chosen:
            instrument = instruments[one.instrument_id]
            self.progress(f"{instrument} {one.timeframe.value}")
            rows.append(
                self._look_at(
                    instrument, one, backfill=options["backfill"], accept=options["accept"]
                )
            )
        return {"series": rows}

    def _look_at(
        self, instrument: Instrument, series: StoredSeries, *, backfill: bool, accept: bool
    ) -> dict[str, Any]:
        """Check one series; return what its ledgers say then."""
        row: dict[str, Any] = {
            "instrument": str(instrument),
            "timeframe": series.timeframe.value,
            "calendar": instrument.calendar or "unknown",
        }
        try:
            find_gaps(instrument=instrument, timeframe=series.timeframe)
            if backfill:
                done = backfill_gaps(
                    instrument=instrument,
                    timeframe=series.timeframe,
                    most_calls=MOST_CALLS,
                    is_patient=False,
                )
                row["backfill"] = asdict(done)
            checked = check_series(instrument=instrument, timeframe=series.timeframe)
        except PlumblineError as error:
            return {**row, "error": str(error)}
        ledger = {"instrument": instrument, "timeframe": series.timeframe.value}
        if accept:
            for gap in DataGap.objects.filter(**ledger, state="open"):
                accept_gap(gap_id=gap.pk, by=BY)
        gaps = DataGap.objects.filter(**ledger)
        findings = DataFinding.objects.filter(**ledger)
        return {
            **row,
            "bars": checked.bars,
            "gaps": dict(sorted(Counter(gaps.values_list("state", flat=True)).items())),
            "missing": sum(gaps.exclude(state="filled").values_list("bars", flat=True)),
            "open_missing": sum(gaps.filter(state="open").values_list("bars", flat=True)),
            "findings": dict(
                sorted(
                    Counter(findings.filter(state="open").values_list("kind", flat=True)).items()
                )
            ),
        }

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print a line per series."""
        for row in answer["series"]:
            name = f"{row['instrument']} {row['timeframe']} ({row['calendar']})"
            if "error" in row:
                self.stdout.write(f"{name}: {row['error']}")
                continue
            gaps = _counts(row["gaps"]) if row["calendar"] != "unknown" else "unknown"
            self.stdout.write(
                f"{name}: {row['bars']:,} bars; gaps: {gaps}"
                f" ({row['open_missing']:,} bars missing); odd: {_counts(row['findings'])}"
            )
        if not answer["series"]:
            self.stdout.write("no such series is stored")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"
