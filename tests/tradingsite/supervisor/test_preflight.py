"""What cannot work is said in one line before anything starts."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tradingsite.embedded.cluster import Cluster, start_cluster
from tradingsite.embedded.testing import temporary_folder
from tradingsite.env import with_database_name
from tradingsite.supervisor.preflight import (
    PortTakenError,
    UnreachableError,
    check_database,
    check_port,
    check_redis,
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Return running services."""
    folder = temporary_folder()
    running = start_cluster(folder / "data", durable=False)
    yield running
    running.remove()
    Path(folder).rmdir()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_check_database_when_it_answers_passes(cluster: Cluster) -> None:
    check_database(cluster.database_url)


def test_check_database_when_the_database_is_missing_names_it(cluster: Cluster) -> None:
    with pytest.raises(UnreachableError, match='database "nowhere" does not exist') as refused:
        check_database(with_database_name(cluster.database_url, "nowhere"))
    assert "\n" not in str(refused.value)


def test_check_database_when_the_password_is_wrong_says_so(cluster: Cluster) -> None:
    host = cluster.locations.postgres_sockets
    with pytest.raises(UnreachableError, match="password authentication failed") as refused:
        check_database(f"postgresql://plumbline:geheim@/plumbline?host={host}")
    assert "geheim" not in str(refused.value)


def test_check_database_when_nobody_listens_says_so() -> None:
    with pytest.raises(UnreachableError, match=r"DATABASE_URL.*refused"):
        check_database(f"postgresql://u:p@127.0.0.1:{free_port()}/x")


def test_check_redis_when_it_answers_passes(cluster: Cluster) -> None:
    check_redis("REDIS_URL", cluster.redis_url)


def test_check_redis_when_nobody_listens_says_where() -> None:
    port = free_port()
    with pytest.raises(UnreachableError, match=f"no Redis answers at .*:{port}"):
        check_redis("REDIS_URL", f"redis://127.0.0.1:{port}/0")


def test_check_port_when_free_passes() -> None:
    check_port("127.0.0.1", free_port())


def test_check_port_when_taken_names_the_owner_and_the_way_out() -> None:
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        with pytest.raises(PortTakenError, match=f"PORT={port + 1}") as refused:
            check_port("127.0.0.1", port)
    assert f"process {os.getpid()}" in str(refused.value)
