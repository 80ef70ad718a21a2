"""Commands share the services: the first starts them, the last one's end stops them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tradingsite.embedded.keeper import read_states
from tradingsite.embedded.service import ServiceError
from tradingsite.embedded.services import Membership, embedded_services

USER = """
import sys
from pathlib import Path
import psycopg2
from tradingsite.embedded.addresses import embedded_database_url
from tradingsite.embedded.locations import locate
from tradingsite.embedded.service import ServiceError
from tradingsite.embedded.services import embedded_services
data = Path(sys.argv[1])
with embedded_services(data, ["postgres", "redis"]):
    print("joined", flush=True)
    sys.stdin.readline()
    connection = psycopg2.connect(embedded_database_url(locate(data)))
    connection.close()
print("left", flush=True)
"""
BOTH = ("postgres", "redis")


class User:
    """Another command that uses the services until it is told to leave."""

    def __init__(self, data: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.line()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def users(folder: Path) -> Iterator[list[User]]:
    """Collect users, and make sure that none outlives the test."""
    made: list[User] = []
    yield made
    for user in made:
        user.end()
    wait_for(lambda: not server_pids(folder / "data"))


def server_pids(data: Path) -> list[int]:
    """Return the servers that work below `data`, and their keeper."""
    found = []
    for process in psutil.process_iter(["cwd", "cmdline"]):
        argv = process.info["cmdline"] or []
        is_keeper = "tradingsite.embedded.keeper" in argv and str(data) == argv[-1]
        if is_keeper or str(process.info["cwd"]).startswith(str(data)):
            found.append(process.pid)
    return found


def wait_for(condition: "object", seconds: float = 15.0) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def keeper_pid(data: Path) -> int:
    return int((data / "run" / "keeper.lock").read_text())


def test_services_when_the_only_user_leaves_stop(folder: Path) -> None:
    data = folder / "data"
    with embedded_services(data, BOTH):
        assert read_states(data / "run").services == {
            "postgres": "ready",
            "redis": "ready",
        }
    assert server_pids(data) == []
    assert not read_states(data / "run").running


def test_only_wanted_services_start(folder: Path) -> None:
    data = folder / "data"
    with embedded_services(data, ["redis"]):
        assert read_states(data / "run").services == {"redis": "ready"}
        with embedded_services(data, ["postgres"]):
            assert read_states(data / "run").services == {
                "redis": "ready",
                "postgres": "ready",
            }
    with embedded_services(data, ["redis"]):
        assert read_states(data / "run").services == {"redis": "ready"}


def test_services_when_the_first_user_leaves_stay_for_the_second(
    folder: Path, users: list[User]
) -> None:
    data = folder / "data"
    users += [User(data), User(data)]
    assert [user.line() for user in users] == ["joined", "joined"]
    assert users[0].leave() == "left"
    assert server_pids(data)
    assert users[1].leave() == "left"
    assert server_pids(data) == []


def test_services_when_the_first_user_is_killed_stay_for_the_second(
    folder: Path, users: list[User]
) -> None:
    data = folder / "data"
    users += [User(data), User(data)]
    assert [user.line() for user in users] == ["joined", "joined"]
    users[0].process.kill()
    time.sleep(0.3)
    assert users[1].leave() == "left"
    assert server_pids(data) == []


def test_services_when_every_user_is_killed_stop(folder: Path, users: list[User]) -> None:
    data = folder / "data"
    users.append(User(data))
    assert users[0].line() == "joined"
    users[0].process.kill()
    assert wait_for(lambda: server_pids(data) == [])


def test_services_when_the_keeper_is_killed_come_back(folder: Path) -> None:
    data = folder / "data"
    membership = Membership(data, BOTH)
    membership.join()
    os.kill(keeper_pid(data), signal.SIGKILL)
    assert wait_for(lambda: not read_states(data / "run").running)
    assert wait_for(membership.tend, 30.0)
    assert membership.leave()
    assert server_pids(data) == []


@pytest.mark.parametrize("program", ["redis-server", "postgres"])
def test_a_killed_server_is_started_again(folder: Path, program: str) -> None:
    data = folder / "data"
    membership = Membership(data, BOTH)
    membership.join()
    keeper = psutil.Process(keeper_pid(data))
    old = next(child for child in keeper.children() if child.name() == program)
    old.kill()

    def is_back() -> bool:
        names = [child.name() for child in keeper.children() if child.pid != old.pid]
        return program in names and membership.tend()

    assert wait_for(is_back)
    assert membership.leave()


def test_join_when_everything_was_killed_recovers(folder: Path) -> None:
    data = folder / "data"
    membership = Membership(data, BOTH)
    membership.join()
    for pid in server_pids(data):
        with suppress(ProcessLookupError):  # one's end may have been another's
            os.kill(pid, signal.SIGKILL)
    membership.users.release()
    with embedded_services(data, BOTH):
        assert read_states(data / "run").services == {
            "postgres": "ready",
            "redis": "ready",
        }


def test_join_when_a_service_cannot_start_gives_its_reason(folder: Path) -> None:
    data = folder / "data"
    with embedded_services(data, ["postgres"]):
        pass
    (data / "postgres" / "PG_VERSION").write_text("17\n")
    with (
        pytest.raises(Exception, match="was made by PostgreSQL 17"),
        embedded_services(data, ["postgres"]),
    ):
        pass
    assert server_pids(data) == []


def test_join_when_the_keeper_cannot_even_start_gives_its_last_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ServiceError, match="keeper does not start"):
        Membership(folder / "data", BOTH).join()
