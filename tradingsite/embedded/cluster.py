"""PostgreSQL and Redis together, as children of this process."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tradingsite.embedded.locations import Locations, claim, locate
from tradingsite.embedded.postgres import Postgres
from tradingsite.embedded.redis import Redis
from tradingsite.embedded.service import Service, wait_until_ready

SERVICES: dict[str, type[Postgres] | type[Redis]] = {
    "redis": Redis,
    "postgres": Postgres,
}


@dataclass(frozen=True)
class Cluster:
    """Services that run until `stop`; they end with this process in any case."""

    locations: Locations
    services: dict[str, Service]

    @property
    def database_url(self) -> str:
        """Return the URL of the desk's database."""
        return self.services["postgres"].url

    @property
    def redis_url(self) -> str:
        """Return the URL of Redis."""
        return self.services["redis"].url

    def stop(self) -> None:
        """Stop Redis, then PostgreSQL: the record goes last."""
        for name in SERVICES:
            if name in self.services:
                self.services[name].stop()

    def remove(self) -> None:
        """Stop, then delete every file; for throwaway clusters only."""
        self.stop()
        where = self.locations
        if not where.postgres_data.is_relative_to(where.data):
            shutil.rmtree(where.postgres_data.parent, ignore_errors=True)
        shutil.rmtree(where.data, ignore_errors=True)


def build(data_dir: Path, name: str, *, durable: bool = True) -> Service:
    """Return the service called `name` of a data folder, not started."""
    return SERVICES[name](locate(data_dir.resolve()), durable=durable)


def start_cluster(
    data_dir: Path,
    names: Sequence[str] = ("postgres", "redis"),
    *,
    durable: bool = True,
) -> Cluster:
    """Return running services in `data_dir`; call from the main thread.

    For folders that are this process' own (tests, sandboxes): nobody else may join them.
    """
    claim(data_dir.resolve())
    cluster = Cluster(
        locate(data_dir.resolve()),
        {name: build(data_dir, name, durable=durable) for name in SERVICES if name in names},
    )
    try:
        for service in cluster.services.values():
            service.start()
        for service in cluster.services.values():
            wait_until_ready(service)
    except BaseException:
        cluster.stop()
        raise
    return cluster
