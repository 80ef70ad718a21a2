"""History into the table of bars: ours beside Django's upsert and a bare binary COPY."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradingsite.embedded.cluster import start_cluster
from tradingsite.embedded.locations import CHECKOUT

# A process of its own: Django is set up once per process, and for one database.
LOADS = (
    "import django, sys; django.setup();"
    " from benchmarks.history_loads import main; main(sys.argv[1])"
)


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return medians of interleaved rounds on a database of their own."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        Path(folder).chmod(0o711)
        cluster = start_cluster(Path(folder) / "data")
        try:
            settings = {
                **os.environ,
                "PLUMBLINE_DATA_DIR": str(cluster.locations.data),
                "DATABASE_URL": cluster.database_url,
                "REDIS_URL": cluster.redis_url,
                "DJANGO_SETTINGS_MODULE": "tradingsite.settings.local",
            }
            say("history: making the tables")
            _run(settings, "manage.py", "migrate", "--verbosity", "0")
            say(f"history: loading, a minute or two into {folder}")
            answer: dict[str, Any] = json.loads(_run(settings, "-c", LOADS, folder))
            return answer
        finally:
            cluster.stop()


def _run(settings: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=CHECKOUT,
        env=settings,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout
