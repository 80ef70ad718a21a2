"""Where things lie, and who may go there."""

import os
import stat
from pathlib import Path

import psycopg2
import pytest

from tradingsite.embedded import locations
from tradingsite.embedded.addresses import embedded_database_url
from tradingsite.embedded.cluster import start_cluster
from tradingsite.embedded.locations import DataFolderError, claim, locate, make_private


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_locate_when_path_is_short_keeps_sockets_below_the_data_folder(
    folder: Path,
) -> None:
    where = locate(folder / "data")
    assert where.redis_socket == folder / "data" / "run" / "redis" / "redis.sock"
    assert where.postgres_sockets == folder / "data" / "run" / "postgres"
    assert where.moved_to is None


def test_locate_when_path_is_long_moves_sockets_to_a_short_private_folder(
    folder: Path,
) -> None:
    data = folder / ("long" * 40) / "data"
    where = locate(data)
    assert len(os.fsencode(where.redis_socket)) <= locations.LONGEST_SOCKET_PATH
    assert where.redis_sockets != where.postgres_sockets
    assert locate(data) == where


def test_two_data_folders_never_share_a_socket(folder: Path) -> None:
    one, two = (locate(folder / ("long" * 40) / name) for name in ("one", "two"))
    assert one.redis_socket != two.redis_socket
    assert one.postgres_sockets != two.postgres_sockets


def test_services_run_when_path_is_long(folder: Path) -> None:
    data = folder / ("long" * 40) / "data"
    data.parent.mkdir()
    cluster = start_cluster(data, durable=False)
    try:
        psycopg2.connect(cluster.database_url).close()
        assert mode_of(cluster.locations.redis_sockets) == 0o700
    finally:
        cluster.remove()
    assert not cluster.locations.redis_sockets.exists()
    assert not cluster.locations.postgres_sockets.exists()


def test_claim_when_new_makes_secrets_private(folder: Path) -> None:
    claim(folder / "data")
    assert mode_of(folder / "data" / "secrets") == 0o700
    assert mode_of(folder / "data") & 0o066 == 0


def test_claim_when_folder_cannot_be_made_says_what_to_set(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(DataFolderError, match="PLUMBLINE_DATA_DIR"):
        claim(folder / "file" / "data")


@pytest.mark.usefixtures("as_root")
def test_claim_when_folder_is_another_users_refuses(folder: Path) -> None:
    claim(folder / "data")
    os.chown(folder / "data" / "run", 65534, 65534)
    with pytest.raises(DataFolderError, match="belongs to"):
        claim(folder / "data")


def test_make_private_when_others_may_enter_refuses(folder: Path) -> None:
    (folder / "sockets").mkdir(mode=0o755)
    with pytest.raises(DataFolderError, match="private"):
        make_private(folder / "sockets", None)


def test_make_private_when_a_link_lies_there_refuses(folder: Path) -> None:
    (folder / "real").mkdir(mode=0o700)
    (folder / "sockets").symlink_to(folder / "real")
    with pytest.raises(DataFolderError, match="private"):
        make_private(folder / "sockets", None)


@pytest.mark.usefixtures("as_root")
def test_root_below_a_closed_folder_runs_postgres_elsewhere_and_opens_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(locations, "STATE_FOLDER", folder)
    monkeypatch.setattr(locations, "_may_run", lambda wheel, account: False)
    cluster = start_cluster(closed / "data", durable=False)
    try:
        where = cluster.locations
        assert where.moved_to == locations.state_folder()
        assert where.postgres_data.is_relative_to(folder / where.moved_to.name)
        assert where.postgres_binaries.is_relative_to(where.moved_to)
        assert where.redis_data.is_relative_to(closed)
        assert mode_of(closed) == 0o700
        psycopg2.connect(embedded_database_url(where)).close()
    finally:
        cluster.remove()
