"""Make a database ready for a desk: migrations, first user, demo desk. Safe to repeat."""

import json
import pkgutil
import secrets
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import psycopg2
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

FIRST_USER = "admin"
# Any constant does; two starters on one database must use the same.
PREPARE_LOCK = 7_240_517


class Command(BaseCommand):
    """`manage.py prepare`: what `up` runs before the processes, and compose runs once."""

    help = "Migrate if needed, make the first user, set up the demo desk; safe to repeat."
    requires_system_checks: list[str] = []  # noqa: RUF012 - Django's own way

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="report the first user as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare under a lock, so that two starters do it one after the other."""
        with _one_at_a_time():
            self._migrate()
            password = create_first_user()
            if password is not None:
                self._report(password, as_json=options["json"])
            # Its output is progress; standard output carries the report alone.
            call_command("bootstrap", stdout=sys.stderr, stderr=sys.stderr)

    def _migrate(self) -> None:
        missing = unapplied_migrations()
        if missing:
            sys.stderr.write(f"applying {len(missing)} migrations\n")
            call_command("migrate", verbosity=0, interactive=False)

    def _report(self, password: str, *, as_json: bool) -> None:
        if as_json:
            report = {"user": FIRST_USER, "password": password}
            self.stdout.write(json.dumps(report))
        else:
            self.stdout.write(f"first user: {FIRST_USER}, password: {password} (shown once)")
        self.stdout.flush()


def unapplied_migrations() -> set[tuple[str, str]]:
    """Return (app, name) of the migrations on disk that the database has not seen.

    A look at file names and one table, where `migrate` builds the whole graph first.
    """
    on_disk: set[tuple[str, str]] = set()
    for config in apps.get_app_configs():
        module_name, _ = MigrationLoader.migrations_module(config.label)
        if module_name is None:
            continue
        try:
            folder = import_module(module_name).__path__
        except (
            ModuleNotFoundError,
            AttributeError,
        ):  # none, or a plain module of that name
            continue
        names = (found.name for found in pkgutil.iter_modules(folder))
        on_disk |= {(config.label, name) for name in names if name[0] not in "_~"}
    return on_disk - set(MigrationRecorder(connection).applied_migrations())


def create_first_user() -> str | None:
    """Return the password of the user just made; None when somebody can sign in already."""
    users = get_user_model()
    if users.objects.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.objects.create_superuser(FIRST_USER, email="", password=password)
    return password


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold an advisory lock on a connection of its own: migrations may close Django's."""
    holder = psycopg2.connect(**connection.get_connection_params())
    holder.autocommit = True
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [PREPARE_LOCK])
        yield
    finally:
        holder.close()
