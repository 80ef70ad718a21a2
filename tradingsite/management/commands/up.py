"""Start the whole desk and keep it running until Ctrl-C."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from tradingsite.supervisor import up


class Command(BaseCommand):
    """`manage.py up`; manage.py itself takes a shorter way that does not load Django."""

    help = "Start the whole desk: services, web, beat, feed and workers; Ctrl-C stops it."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own way

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        up.add_arguments(parser)

    def handle(self, *args: Any, only: str | None = None, **options: Any) -> None:
        """Run until stopped."""
        code = up.run(only)
        if code:
            raise SystemExit(code)
