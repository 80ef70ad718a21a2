"""A pytest plugin: real PostgreSQL and Redis of this run's own, before any setting is read.

The workers of a parallel run share both servers; pytest-django gives each a database, and here
each gets a Redis database, so that none clears another's cache.
"""

import os

from tradingsite.embedded.testing import private_services


def redis_of_worker(url: str, worker: str) -> str:
    """Return the Redis URL for one worker of a parallel run, such as gw1."""
    return f"{url.partition('?')[0]}?db={int(worker.removeprefix('gw')) + 1}"


private_services()
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["REDIS_URL"] = redis_of_worker(os.environ["REDIS_URL"], worker)
