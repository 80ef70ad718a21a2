"""Celery tasks: named, on a lane somebody serves, with limits, in one file."""

import ast

import pytest

from tests.architecture.guards import ROOT, shown, tracked_files
from tradingsite import tasks  # fills the app
from tradingsite.beat_schedule import BEAT_SCHEDULE
from tradingsite.celery import app
from tradingsite.processes import desk_processes

OURS = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
LANES = {lane for process in desk_processes() for lane in process.lanes}


def decorators_of(path: str) -> dict[str, dict[str, ast.expr]]:
    """Return the keywords of `@app.task(...)` by function."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {
        node.name: {word.arg or "**": word.value for word in call.keywords}
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call)
    }


def test_tasks_when_declared_say_their_name_queue_and_limits() -> None:
    declared = decorators_of("tradingsite/tasks.py")
    assert set(declared) == set(OURS)
    for words in declared.values():
        assert {"name", "queue", "**"} <= set(words)


@pytest.mark.parametrize("name", sorted(OURS))
def test_task_when_published_runs_on_a_served_lane_within_limits(name: str) -> None:
    task = OURS[name]
    assert task.queue in LANES
    assert 0 < task.soft_time_limit < task.time_limit
    assert task.run.__module__ == tasks.__name__


def test_tasks_when_searched_for_live_in_one_file() -> None:
    elsewhere = [
        shown(path)
        for path in tracked_files()
        if path.suffix == ".py"
        and not shown(path).startswith("tests/")
        and shown(path) != "tradingsite/tasks.py"
        and ("@app.task" in (text := path.read_text(encoding="utf-8")) or "shared_task" in text)
    ]
    assert elsewhere == []


def test_beat_schedule_when_read_names_tasks_on_their_own_lanes() -> None:
    assert {job.task: job.queue for job in BEAT_SCHEDULE} == {
        name: task.queue for name, task in OURS.items() if name != "walk"
    }
    assert [job.task for job in BEAT_SCHEDULE if job.every_seconds < 1 or not job.why] == []


def test_lanes_when_trading_and_learning_never_share_a_worker() -> None:
    trading, learning = {"ingest", "signals", "execution"}, {"research", "learning"}
    for process in desk_processes():
        assert not (trading & set(process.lanes) and learning & set(process.lanes))
    assert trading | learning == LANES
