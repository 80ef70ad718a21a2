"""History into the table of bars: ours beside Django's upsert and a bare binary COPY."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradingsite.embedded.cluster import start_cluster
from tradingsite.embedded.locations import CHECKOUT


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return medians of interleaved rounds on a database of their own."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        Path(folder).chmod(0o711)
        cluster = start_cluster(Path(folder) / "data")
        try:
            os.environ |= {
                "PLUMBLINE_DATA_DIR": str(cluster.locations.data),
                "DATABASE_URL": cluster.database_url,
                "REDIS_URL": cluster.redis_url,
                "DJANGO_SETTINGS_MODULE": "tradingsite.settings.local",
            }
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
                cwd=CHECKOUT,
                check=True,
                capture_output=True,
            )
            # Django can be set up only now that the services are known.
            import django  # noqa: PLC0415

            django.setup()
            from benchmarks.history_loads import measure_loads  # noqa: PLC0415

            return measure_loads(say, Path(folder))
        finally:
            cluster.stop()
