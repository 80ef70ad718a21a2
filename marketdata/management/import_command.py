"""What every command that imports files has in common: options, progress, one line on refusal."""

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from domain.errors import PlumblineError
from marketdata.management.desk_command import DeskCommand
from marketdata.services.import_ledger import Progress
from marketdata.services.name_instruments import InstrumentOptions

SECONDS_BETWEEN_REPORTS = 1.0
COUNTS = ("inserted", "unchanged", "corrected", "repeated", "rejected")
SUMMED = ("rows", *COUNTS)


class ImportCommand(DeskCommand):
    """Imports files one after the other, each in a transaction of its own."""

    sizes = ("tick_size", "lot_size", "multiplier")

    def arguments(self, parser: CommandParser) -> None:
        """Add the files, the instrument and its terms."""
        parser.add_argument("file", type=Path, nargs="+", help="the files to read, in this order")
        self.instrument_arguments(parser)
        parser.add_argument("--currency", help="of a new instrument; USD unless given")
        parser.add_argument("--tick-size", help="smallest price step; inferred unless given")
        parser.add_argument("--lot-size", help="smallest quantity; inferred unless given")
        parser.add_argument("--multiplier", help="money per point and unit; 1 unless given")
        parser.add_argument("--calendar", help="24/7, FX or an exchange such as NYSE or NSE")
        parser.add_argument("--zone", help="whose wall clock times without a zone show")

    def instrument_arguments(self, parser: CommandParser) -> None:
        """Add which instrument the files are about."""
        parser.add_argument("--instrument", required=True, metavar="SYM", help="symbol text")
        parser.add_argument("--venue", required=True, help="where it trades, such as NASDAQ")
        parser.add_argument("--kind", help="equity (unless given), etf, index, future, crypto, fx")

    def answer(self, **options: Any) -> dict[str, Any]:
        """Import; a refusal ends the command with one line and nothing stored of that file."""
        options |= {name: size_of(name, options[name]) for name in self.sizes}
        options["zone"] = zone_of(options["zone"])
        files: list[Path] = options.pop("file")
        answers: list[dict[str, Any]] = []
        for path in files:
            try:
                answers.append(self.bring_in(path, rarely(self._say_rows(path)), options))
            except DatabaseError as error:
                reason = str(error).splitlines()[0]
                raise CommandError(
                    f"{path}: the database refused: {reason}{_before(answers, files)}"
                ) from None
            except PlumblineError as error:
                if len(files) == 1:
                    raise
                raise CommandError(f"{error}{_before(answers, files)}") from None
            except KeyboardInterrupt:
                stored = f"{path}: nothing was stored" if len(files) > 1 else "nothing was stored"
                self.progress(f"interrupted: {stored}{_before(answers, files)}")
                raise
        return answers[0] if len(answers) == 1 else {"files": answers, **_sums(answers)}

    def bring_in(
        self, path: Path, progress: Progress, options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Import one file; return its answer."""
        raise NotImplementedError

    def print_answer(self, answer: dict[str, Any]) -> None:
        """Print what became of the rows of each file."""
        for one in answer.get("files", [answer]):
            self.stdout.write("\n".join(lines_of(one)))
        if "files" in answer:
            self.stdout.write(f"{len(answer['files'])} files, {_counts(answer)}")

    def _say_rows(self, path: Path) -> Callable[[int], None]:
        return lambda rows: self.progress(f"{path.name}: {rows:,} rows read")


def instrument_of(options: Mapping[str, Any]) -> InstrumentOptions:
    """Return the instrument the options name."""
    names = ("kind", "currency", "tick_size", "lot_size", "multiplier", "calendar")
    return InstrumentOptions(
        symbol=options["instrument"],
        venue=options["venue"],
        **{name: options[name] for name in names},
    )


def lines_of(answer: Mapping[str, Any]) -> list[str]:
    """Return the lines that tell a person what became of one file."""
    made = "new instrument" if answer["is_new_instrument"] else "instrument"
    what = answer["timeframe"] or answer["kind"]
    lines = [
        f"{made} {answer['instrument']}, {what}, {answer['first']} to {answer['last']}",
        _counts(answer),
        f"tick size {answer['tick_size']}, lot size {answer['lot_size']} ({answer['grid']})",
    ]
    if "splits" in answer:
        lines.append(f"{answer['splits']} new splits, {answer['dividends']} new dividends")
    lines += [f"  rejected: {count:,} x {why}" for why, count in answer["reasons"].items()]
    return lines + list(answer["notes"])


def size_of(name: str, text: str | None) -> Decimal | None:
    """Return the number an option holds."""
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--{name.replace('_', '-')} '{text}' is no number") from None


def zone_of(text: str | None) -> ZoneInfo | None:
    """Return the time zone an option names."""
    try:
        return None if text is None else ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise CommandError(f"--zone '{text}' is no time zone such as Asia/Kolkata") from None


def _counts(answer: Mapping[str, Any]) -> str:
    counts = ", ".join(f"{answer[name]:,} {name}" for name in COUNTS if name in answer)
    return f"{answer['rows']:,} rows: {counts}"


def _sums(answers: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    rows = list(answers)
    return {name: sum(one[name] for one in rows) for name in SUMMED if name in rows[0]}


def _before(answers: list[dict[str, Any]], files: list[Path]) -> str:
    """Return what to know of the files that came before a refused one."""
    if len(files) == 1:
        return ""
    return f" ({len(answers)} of {len(files)} files were stored before it)"


def rarely(report: Callable[[int], None]) -> Callable[[int], None]:
    """Return a callable that reports rows read, at most once a second."""
    reported_at = time.monotonic()

    def tell(rows: int) -> None:
        nonlocal reported_at
        if time.monotonic() - reported_at >= SECONDS_BETWEEN_REPORTS:
            reported_at = time.monotonic()
            report(rows)

    return tell
