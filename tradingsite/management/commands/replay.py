"""Replay stored bars through the real queue and workers, in a sandbox."""

import os
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from marketdata.management.desk_command import DeskCommand
from tradingsite.pipelines.replaying import plan_replay, run_replay

MOST_WORKERS = 64


class Command(DeskCommand):
    """The desk's own account is never touched."""

    help = (
        "Replay stored bars through the real queue and workers, in a sandbox of its own. "
        "Example: manage.py replay --instruments AAPL,IBM --timeframe 1d "
        "--from 2005-01-01 --to 2012-12-31 --speed max"
    )

    def arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--instruments", required=True, help="SYMBOL or VENUE:SYMBOL, commas")
        parser.add_argument("--timeframe", default="1d")
        parser.add_argument("--from", dest="first", required=True, help="first day, YYYY-MM-DD")
        parser.add_argument("--to", dest="last", required=True, help="last day, YYYY-MM-DD")
        parser.add_argument("--speed", choices=("max",), default="max")
        parser.add_argument("--workers", type=int, default=2, help="worker processes (2)")
        parser.add_argument("--bots", default="", help="bots of the desk, or strategies; commas")
        parser.add_argument(
            "--weights",
            choices=("default", "active"),
            default="default",
            help="default weights, or the desk's learned versions, each from its valid_from on",
        )
        parser.add_argument("--cash", default="1000000", help="the account's first deposit")
        parser.add_argument("--keep", action="store_true", help="leave the sandbox for inspection")
        parser.add_argument("--export", type=Path, help="write the lines that are hashed here")

    def answer(self, **options: Any) -> dict[str, Any]:
        """Plan, run, report."""
        if not 1 <= options["workers"] <= MOST_WORKERS:
            raise CommandError(f"--workers must lie between 1 and {MOST_WORKERS}")
        _make_folder(options["export"])
        plan = plan_replay(
            instruments=_names(options["instruments"], "--instruments"),
            timeframe=options["timeframe"],
            first_day=_day(options["first"], "--from"),
            last_day=_day(options["last"], "--to"),
            bots=_names(options["bots"]),
            pin=options["weights"],
            cash=_cash(options["cash"]),
        )
        return run_replay(
            plan,
            workers=options["workers"],
            keep=options["keep"],
            export=options["export"],
            progress=self.progress,
        )


def _names(text: str, needed_by: str = "") -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if needed_by and not names:
        raise CommandError(f"{needed_by} names nothing")
    return names


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} '{text}' is no day; write YYYY-MM-DD") from None


def _cash(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise CommandError(f"--cash '{text}' is no amount") from None
    # Before a sandbox is made: one that cannot open its account would stay behind.
    if not amount.is_finite() or amount <= 0:
        raise CommandError(f"--cash must be an amount above 0, not '{text}'")
    return amount


def _make_folder(folder: Path | None) -> None:
    """Find out now, not after hours of replay, that nothing can be written there."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"--export {folder}: {error.strerror}") from None
    if not os.access(folder, os.W_OK):
        raise CommandError(f"--export {folder}: not writable")
