"""A benchmark that needs our tables: its own cluster, and a process that sets Django up for it."""

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


def measured_in(module: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Return what `module.main(folder)` prints as JSON, run on a fresh migrated database.

    In a process of its own: Django is set up once per process, and for one database.
    """
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
            say(f"{module}: making the tables")
            _run(settings, "manage.py", "migrate", "--verbosity", "0")
            say(f"{module}: measuring, some minutes")
            start = (
                f"import django, sys; django.setup(); from {module} import main; main(sys.argv[1])"
            )
            answer: dict[str, Any] = json.loads(_run(settings, "-c", start, folder))
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
