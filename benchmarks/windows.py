"""The last 500 bars of 500 instruments into arrays, out of ten million stored bars."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tradingsite.embedded.cluster import start_cluster
from tradingsite.embedded.locations import CHECKOUT

ROUNDS = 5


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return medians of interleaved rounds: the ORM, a plain cursor, packed bars."""
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
                [sys.executable, "manage.py", "prepare", "--json"],
                cwd=CHECKOUT,
                check=True,
                capture_output=True,
            )
            return _read(say)
        finally:
            cluster.stop()


def _read(say: Callable[[str], None]) -> dict[str, Any]:
    # Django can be set up only now that the services are known.
    import django  # noqa: PLC0415

    django.setup()
    from benchmarks.window_reads import few_of_many, fill, plan, ways  # noqa: PLC0415

    answer: dict[str, Any] = {}
    few = fill(say, bars_each=2_000)
    small = _rounds(ways(few), say)
    answer |= {f"500 x 500 bars, {name}, ms": value for name, value in small.items()}
    best = small["packed"]
    answer["packed against the ORM"] = round(small["ORM"] / best, 1)
    answer["packed against a cursor"] = round(small["cursor"] / best, 1)
    many = fill(say, bars_each=20_000)
    large = _rounds({name: way for name, way in ways(many).items() if name != "ORM"}, say)
    answer |= {f"of 10 million bars, {name}, ms": value for name, value in large.items()}
    answer |= few_of_many(many)
    answer["plan of a window"] = plan(many)
    return answer


def _rounds(ways: dict[str, Callable[[], int]], say: Callable[[str], None]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        say(f"round {number + 1} of {ROUNDS}")
        for name, way in ways.items():
            began = time.perf_counter()
            rows = way()
            times[name].append(time.perf_counter() - began)
            if rows != 250_000:
                raise RuntimeError(f"{name} read {rows} bars, not 250,000")
    return {name: round(1000 * median(found), 1) for name, found in times.items()}
