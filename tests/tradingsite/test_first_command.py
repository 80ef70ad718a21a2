"""Any command may be a newcomer's first, before `make up` ever ran."""

import json
import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connection

from tradingsite import env

pytestmark = pytest.mark.django_db(transaction=True)

EMPTY = "plumbline_first_command"


def test_command_when_the_database_is_empty_makes_tables_and_demo_first() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {EMPTY} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {EMPTY} TEMPLATE template0")
    try:
        done = subprocess.run(
            [sys.executable, "manage.py", "verify_invariants", "--json"],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DATABASE_URL": env.with_database_name(env.database_url(), EMPTY),
                "DJANGO_SETTINGS_MODULE": "tradingsite.settings.local",
            },
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {EMPTY} WITH (FORCE)")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["violations"] == []
    assert "the database is empty" in done.stderr
