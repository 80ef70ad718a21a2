"""Real services for a test run, in a folder of their own that goes with it."""

import atexit
import os
import tempfile
from pathlib import Path

from tradingsite.embedded.cluster import Cluster, start_cluster

MARK = "PLUMBLINE_TEST_SERVICES"


def private_services() -> Cluster | None:
    """Point DATABASE_URL and REDIS_URL at a private throwaway cluster, removed at exit.

    Workers of a parallel run inherit the environment and get None: they share the cluster.
    """
    if os.environ.get(MARK):
        return None
    cluster = start_cluster(temporary_folder(), durable=False)
    atexit.register(cluster.remove)
    os.environ[MARK] = str(cluster.locations.data)
    os.environ["PLUMBLINE_DATA_DIR"] = str(cluster.locations.data)
    os.environ["DATABASE_URL"] = cluster.database_url
    os.environ["REDIS_URL"] = cluster.redis_url
    os.environ.pop("REDIS_LIVE_URL", None)
    return cluster


def temporary_folder() -> Path:
    """Return a new folder that PostgreSQL's account may pass through but not read."""
    folder = Path(tempfile.mkdtemp(prefix="plumbline-test-"))
    folder.chmod(0o711)
    return folder
