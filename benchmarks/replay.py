"""Replay speed and walk latency, beside what this machine's disk and database allow at most."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import psycopg2

from tradingsite.embedded.cluster import start_cluster
from tradingsite.embedded.locations import CHECKOUT

RUNS = 3
COMMITS = 500
ARGUMENTS = (
    *("--instruments", "AAPL,FB,GOOG,IBM,MSFT", "--timeframe", "1d"),
    *("--from", "2005-01-01", "--to", "2012-12-31", "--speed", "max", "--json"),
)
# A decided instant commits its seal, its scores and its decisions.
COMMITS_PER_INSTANT = 3
# Trading days from 2005 to 2012: one closing instant each.
SESSIONS = 2013


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return the median of three replays, and the ratio to bare durable commits in the same run."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        Path(folder).chmod(0o711)
        cluster = start_cluster(Path(folder) / "data")
        try:
            settings = {
                **os.environ,
                "PLUMBLINE_DATA_DIR": str(cluster.locations.data),
                "DATABASE_URL": cluster.database_url,
                "REDIS_URL": cluster.redis_url,
            }
            _manage(settings, "prepare", "--json")
            rates, commits, answers = [], [], []
            for number in range(RUNS):
                say(f"replay {number + 1} of {RUNS}")
                commits.append(_commits_per_second(cluster.database_url))
                answers.append(json.loads(_manage(settings, "replay", *ARGUMENTS)))
                rates.append(answers[-1]["bars_per_second"])
        finally:
            cluster.stop()
    if len({json.dumps(one["hashes"], sort_keys=True) for one in answers}) != 1:
        raise RuntimeError("two replays of the same plan gave different hashes")
    latency = [one["latency_ms"] for one in answers]
    per_instant = answers[0]["bars"] / SESSIONS
    limit = median(commits) / COMMITS_PER_INSTANT * per_instant
    return {
        "replay bars per second": rates,
        "durable commits per second, bare": [round(one) for one in commits],
        "ratio to commits alone": round(median(rates) / limit, 3),
        "walk latency p50 ms": [one["p50"] for one in latency],
        "walk latency p99 ms": [one["p99"] for one in latency],
        "of it seal to order p50 ms": [one["seal_to_order"]["p50"] for one in latency],
        "of it filling bar to fill p50 ms": [one["filling_bar_to_fill"]["p50"] for one in latency],
    }


def _manage(settings: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=CHECKOUT,
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return done.stdout


def _commits_per_second(url: str) -> float:
    """Return how many one-row durable commits one connection makes a second."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS bench_commit (n bigint)")
            connection.commit()
            started = time.perf_counter()
            for number in range(COMMITS):
                cursor.execute("INSERT INTO bench_commit VALUES (%s)", (number,))
                connection.commit()
            seconds = time.perf_counter() - started
            cursor.execute("DROP TABLE bench_commit")
            connection.commit()
    finally:
        connection.close()
    return COMMITS / seconds
