#!/usr/bin/env python
"""The desk's commands: each joins the running services, or starts them for its duration."""

import os
import sys

from domain.errors import PlumblineError

SETTINGS = "tradingsite.settings.local"
# These need no database.
PURE_COMMANDS = frozenset(
    {
        *("help", "version", "collectstatic", "compilemessages", "diffsettings"),
        *("makemessages", "startapp", "startproject"),
    }
)
# These see to the tables themselves, or are about them.
OWN_TABLES = frozenset(
    {"prepare", "migrate", "makemigrations", "showmigrations", "sqlmigrate", "test", "dbshell"}
)
HELP_WORDS = frozenset({"--help", "-h", "--version"})
EXIT_REFUSED = 1
EXIT_INTERRUPTED = 130


def main(argv: list[str]) -> int:
    """Run the command; return its exit code. A refusal is one line, never a traceback."""
    try:
        run(argv)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except PlumblineError as error:
        sys.stderr.write(f"{error}\n")
        # A command's own code, such as 3 for an order refused by risk.
        return int(getattr(error, "exit_code", EXIT_REFUSED))
    except SystemExit as leave:
        return exit_code_of(leave)
    return 0


def run(argv: list[str]) -> None:
    """Run the command with the services it needs."""
    command = argv[1] if len(argv) > 1 else "help"
    if command in PURE_COMMANDS or HELP_WORDS.intersection(argv[1:]):
        run_django(argv)
    elif command == "up":
        from tradingsite.supervisor import up  # before Django: the supervisor stays small

        sys.exit(up.main(argv[2:]))
    else:
        from tradingsite import env  # reads .env, which --help does without
        from tradingsite.embedded.services import embedded_services
        from tradingsite.supervisor.preflight import check_database

        if not env.is_embedded("postgres"):
            check_database(env.database_url())
        with embedded_services(env.data_dir(), env.embedded_names()):
            if command not in OWN_TABLES:
                make_tables_if_none()
            run_django(argv)


def make_tables_if_none() -> None:
    """Make tables and demo desk in an empty database: any command may be a newcomer's first."""
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    if "django_migrations" in connection.introspection.table_names():
        return
    sys.stderr.write("the database is empty: making its tables and the demo desk\n")
    call_command("migrate", verbosity=0, interactive=False)
    call_command("bootstrap", stdout=sys.stderr, stderr=sys.stderr)
    connection.close()


def run_django(argv: list[str]) -> None:
    """Hand the command to Django."""
    from django.core.management import execute_from_command_line  # not before the services

    execute_from_command_line(argv)


def exit_code_of(leave: SystemExit) -> int:
    """Return the number a SystemExit stands for; text goes to standard error."""
    if leave.code is None or isinstance(leave.code, int):
        return leave.code or 0
    sys.stderr.write(f"{leave.code}\n")
    return EXIT_REFUSED


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    sys.exit(main(sys.argv))
