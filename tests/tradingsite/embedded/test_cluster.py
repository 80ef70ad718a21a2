"""The real servers: private, durable, and back after every kind of death."""

import os
import signal
import socket
import stat
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from tradingsite.embedded.cluster import Cluster, build, start_cluster
from tradingsite.embedded.locations import unprivileged_account
from tradingsite.embedded.postgres import Postgres
from tradingsite.embedded.redis import start_redis
from tradingsite.embedded.service import ServiceError, wait_until_ready


def setting(url: str, name: str) -> str:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW {name}")
            row = cursor.fetchone()
            assert row is not None
            return str(row[0])
    finally:
        connection.close()


def write_row(url: str, number: int) -> None:
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        cursor.execute("INSERT INTO kept VALUES (%s)", [number])
    connection.close()


def rows(url: str) -> list[int]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT number FROM kept ORDER BY number")
            return [row[0] for row in cursor.fetchall()]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("synchronous_commit", "on"),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("timezone", "UTC"),
        ("max_connections", "200"),
        ("server_encoding", "UTF8"),
    ],
)
def test_postgres_keeps_the_durability_it_promises(cluster: Cluster, name: str, value: str) -> None:
    assert setting(cluster.database_url, name) == value


def test_redis_keeps_every_write_and_evicts_nothing(cluster: Cluster) -> None:
    client = redis.Redis.from_url(cluster.redis_url, decode_responses=True)
    wanted = ("appendonly", "appendfsync", "save", "maxmemory-policy", "port")
    found = {name: client.config_get(name)[name] for name in wanted}
    client.close()
    assert found == {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "port": "0",
    }


def test_services_listen_on_no_port(cluster: Cluster) -> None:
    for service in cluster.services.values():
        assert service.process is not None
        process = psutil.Process(service.process.pid)
        assert [one for one in process.net_connections("inet") if one.status == "LISTEN"] == []


def test_sockets_are_for_their_owner_alone(cluster: Cluster) -> None:
    where = cluster.locations
    for path in (where.redis_socket, where.redis_sockets, where.postgres_sockets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((where.postgres_sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700


@pytest.mark.usefixtures("as_root")
def test_postgres_when_started_by_root_runs_as_another(cluster: Cluster) -> None:
    process = cluster.services["postgres"].process
    assert process is not None
    assert psutil.Process(process.pid).uids().real == unprivileged_account().uid


@pytest.mark.usefixtures("as_root")
@pytest.mark.parametrize("part", ["postgres_sockets/.s.PGSQL.5432", "redis_sockets/redis.sock"])
def test_another_user_cannot_connect(cluster: Cluster, part: str) -> None:
    name, socket_name = part.split("/")
    path = getattr(cluster.locations, name) / socket_name
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            socket.socket(socket.AF_UNIX).connect(str(path))
        except PermissionError:
            os._exit(0)
        except OSError:
            os._exit(2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_connection_without_the_password_is_refused(cluster: Cluster) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(
            host=str(cluster.locations.postgres_sockets),
            user="plumbline",
            dbname="plumbline",
            password="wrong",
        )


def test_cluster_when_stopped_and_started_keeps_everything(folder: Path) -> None:
    for number in range(2):
        running = start_cluster(folder / "data")
        write_row(running.database_url, number)
        client = redis.Redis.from_url(running.redis_url)
        assert client.incr("starts") == number + 1
        client.close()
        running.stop()
    running = start_cluster(folder / "data")
    assert rows(running.database_url) == [0, 1]
    running.stop()


def test_cluster_when_everything_is_killed_recovers_what_was_committed(
    folder: Path,
) -> None:
    running = start_cluster(folder / "data")
    write_row(running.database_url, 7)
    client = redis.Redis.from_url(running.redis_url)
    client.set("kept", "yes")
    client.close()
    for service in running.services.values():
        assert service.process is not None
        leader = psutil.Process(service.process.pid)
        for process in [leader, *leader.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    assert (running.locations.postgres_data / "postmaster.pid").exists()
    again = start_cluster(folder / "data")
    client = redis.Redis.from_url(again.redis_url, decode_responses=True)
    assert rows(again.database_url) == [7]
    assert client.get("kept") == "yes"
    client.close()
    again.stop()
    for service in running.services.values():
        if service.process is not None:
            service.process.wait()


def test_start_when_lock_files_name_a_living_stranger_clears_them(folder: Path) -> None:
    running = start_cluster(folder / "data", ["postgres"], durable=False)
    pid_file = running.locations.postgres_data / "postmaster.pid"
    content = pid_file.read_text()
    running.stop()
    pid_file.write_text(content.replace(content.split("\n")[0], str(os.getppid()), 1))
    lock = running.locations.postgres_sockets / ".s.PGSQL.5432.lock"
    lock.write_text(f"{os.getppid()}\n")
    again = start_cluster(folder / "data", ["postgres"], durable=False)
    again.stop()


def test_start_when_an_earlier_server_still_runs_waits_for_its_end(
    folder: Path,
) -> None:
    running = start_cluster(folder / "data", durable=False)
    write_row(running.database_url, 1)
    old = [service.process for service in running.services.values()]
    again = start_cluster(folder / "data", durable=False)
    assert [process.wait() for process in old if process] == [0, 0]
    assert rows(again.database_url) == [1]
    again.stop()


def test_start_when_first_start_was_killed_half_way_begins_anew(folder: Path) -> None:
    (folder / "data" / "postgres.new").mkdir(parents=True)
    (folder / "data" / "postgres.new" / "half").write_text("")
    (folder / "data").chmod(0o711)
    running = start_cluster(folder / "data", ["postgres"], durable=False)
    assert setting(running.database_url, "server_encoding") == "UTF8"
    running.stop()
    assert not (folder / "data" / "postgres.new").exists()


def test_start_when_data_is_of_another_version_refuses(folder: Path) -> None:
    start_cluster(folder / "data", ["postgres"], durable=False).stop()
    (folder / "data" / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(ServiceError, match="PostgreSQL 17"):
        start_cluster(folder / "data", ["postgres"], durable=False)


def test_start_when_the_password_file_is_lost_says_so(folder: Path) -> None:
    start_cluster(folder / "data", ["postgres"], durable=False).stop()
    (folder / "data" / "secrets" / "postgres_password").unlink()
    with pytest.raises(ServiceError, match="restore that file"):
        start_cluster(folder / "data", ["postgres"], durable=False)


def test_start_when_the_append_only_file_is_damaged_says_so_and_leaves_nothing(
    folder: Path,
) -> None:
    running = start_cluster(folder / "data", ["redis"])
    client = redis.Redis.from_url(running.redis_url)
    client.set("key", "value" * 100)
    client.close()
    running.stop()
    file = running.locations.redis_data / "appendonly.aof"
    file.write_bytes(b"*rubbish\r\n" + file.read_bytes())
    service = build(folder / "data", "redis")
    service.start()
    with pytest.raises(ServiceError, match="redis did not start"):
        wait_until_ready(service)
    service.stop()


def test_postgres_when_interrupted_by_its_parents_death_signal_loses_nothing(
    folder: Path,
) -> None:
    running = start_cluster(folder / "data", ["postgres"])
    write_row(running.database_url, 3)
    process = running.services["postgres"].process
    assert process is not None
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    again = start_cluster(folder / "data", ["postgres"])
    assert rows(again.database_url) == [3]
    again.stop()


def test_start_redis_gives_a_throwaway_server(folder: Path) -> None:
    one, two = start_redis(folder / "one"), start_redis(folder / "two")
    assert one.url != two.url
    clients = [redis.Redis.from_url(server.url) for server in (one, two)]
    clients[0].set("key", "value")
    assert clients[1].get("key") is None
    for client, server in zip(clients, (one, two), strict=True):
        client.close()
        server.stop()
        assert not server.is_alive()


def test_two_clusters_run_side_by_side(cluster: Cluster, folder: Path) -> None:
    other = start_cluster(folder / "data", durable=False)
    write_row(other.database_url, 1)
    with pytest.raises(psycopg2.errors.UndefinedTable):
        rows(cluster.database_url)
    other.stop()


def test_database_is_made_once(cluster: Cluster) -> None:
    postgres = cluster.services["postgres"]
    assert isinstance(postgres, Postgres)
    assert postgres.is_ready()
    assert postgres.is_ready()
