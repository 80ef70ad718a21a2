"""Replays in processes of their own, on the test's own database."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

from django.db import connection

from tradingsite.sandbox import database

YEAR = ("--timeframe", "1d", "--from", "2005-01-01", "--to", "2005-12-31")
THREE = ("--instruments", "AAPL,IBM,NASDAQ:MSFT")
Start = Callable[..., subprocess.Popen[str]]


def sandboxes() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s",
            (database.own_prefix(database.SANDBOX) + "%",),
        )
        return [row[0] for row in cursor.fetchall()]


def kill_group(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err[-2000:]
    answer: dict[str, Any] = json.loads(out)
    return answer
