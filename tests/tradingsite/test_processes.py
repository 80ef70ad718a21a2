"""One list of processes: compose runs the same as `up`."""

from typing import Any

import pytest
import yaml

from tradingsite.embedded.locations import CHECKOUT
from tradingsite.processes import PARTS, Process, desk_processes

EVERY = desk_processes(host="0.0.0.0", port=8000)


@pytest.fixture(scope="module")
def containers() -> dict[str, Any]:
    """Return compose's services that run our image, without the one that only prepares."""
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    ours = {name: one for name, one in compose["services"].items() if "build" in one}
    ours.pop("prepare")
    return ours


def test_compose_runs_the_same_processes(containers: dict[str, Any]) -> None:
    assert {name: one["command"] for name, one in containers.items()} == {
        process.name: list(process.argv) for process in EVERY
    }


@pytest.mark.parametrize("process", EVERY, ids=lambda process: process.name)
def test_compose_gives_each_process_its_environment(
    containers: dict[str, Any], process: Process
) -> None:
    given = containers[process.name]["environment"]
    assert {name: given.get(name) for name in process.env} == dict(process.env)


def test_compose_reaps_zombies(containers: dict[str, Any]) -> None:
    assert all(one["init"] for one in containers.values())


def test_learning_never_shares_a_lane_with_trading() -> None:
    lanes = {process.name: process.lanes for process in EVERY if process.lanes}
    assert lanes == {
        "trading": ("ingest", "signals", "execution"),
        "learning": ("research", "learning"),
    }


def test_every_part_has_a_process_and_every_process_a_part() -> None:
    assert {process.part for process in EVERY} == set(PARTS)


def test_web_listens_where_it_is_told() -> None:
    web = next(one for one in desk_processes(port=8123) if one.name == "web")
    assert web.command()[4:8] == ["--host", "127.0.0.1", "--port", "8123"]
