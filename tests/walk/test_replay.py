"""`manage.py replay`: the same plan gives the same hashes, whoever dies on the way."""

import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.walk.replays import Start, finish, kill_group, sandboxes

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "venue"])

KEYS = {
    *("bars", "scores", "signals", "decisions", "orders", "fills"),
    *("final_equity", "hashes", "latency_ms", "bars_per_second"),
}


def facts(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what may not differ between two runs: everything but speed."""
    speed = ("latency_ms", "bars_per_second", "sandbox")
    return {name: value for name, value in answer.items() if name not in speed}


def await_progress(process: subprocess.Popen[str], percent: int) -> None:
    """Wait until the replay says that it has come so far."""
    deadline = time.monotonic() + 120
    assert process.stderr is not None
    while time.monotonic() < deadline:
        word = process.stderr.readline().strip().split("%")[0]
        if word.isdecimal() and int(word) >= percent:
            return
    raise AssertionError(f"the replay never reached {percent} %")


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children()
    return [one for one in children if "celery" in " ".join(one.cmdline())]


def test_replay_when_run_with_one_or_three_workers_gives_the_same(
    replay: Start, tmp_path: Path
) -> None:
    one = finish(replay("--json", "--workers", "1", "--export", str(tmp_path)))
    three = finish(replay("--json", "--workers", "3"))

    assert set(one) == KEYS
    assert one["bars"] == 756
    assert one["fills"] > 10
    assert one["decisions"] == one["signals"]
    assert one["latency_ms"]["p50"] > 0
    assert facts(one) == facts(three)
    assert len((tmp_path / "fills.jsonl").read_text().splitlines()) == one["fills"]
    assert sandboxes() == []


def test_replay_when_killed_half_way_continues_to_the_same_result(replay: Start) -> None:
    undisturbed = finish(replay("--json"))

    # A worker dies; then the whole group does; then the same command is given again.
    first = replay("--json")
    await_progress(first, 1)
    workers_of(first)[0].kill()
    time.sleep(1.0)
    orphans = workers_of(first)
    kill_group(first)
    psutil.wait_procs(orphans, timeout=10)
    assert not any(one.is_running() for one in orphans)
    assert len(sandboxes()) == 1
    answer = finish(replay("--json", "--keep"))

    assert facts(answer) == facts(undisturbed)
    assert sandboxes() == [answer["sandbox"]]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--instruments", "NOPE"), "unknown instrument 'NOPE'"),
        (("--timeframe", "7m"), "unknown timeframe '7m'"),
        (("--from", "soon"), "--from 'soon' is no day"),
        (("--from", "2006-01-01"), "lies before --from"),
        (("--from", "1970-01-01", "--to", "1970-02-01"), "no 1d bars"),
        (("--bots", "nobody"), "unknown bot 'nobody'"),
        (("--workers", "0"), "--workers must lie between"),
    ],
)
def test_replay_when_asked_for_nonsense_says_so_in_one_line(
    replay: Start, arguments: tuple[str, ...], line: str
) -> None:
    process = replay("--json", *arguments)
    out, err = process.communicate(timeout=60)

    assert process.returncode != 0
    assert out == ""
    assert line in err
    assert len(err.strip().splitlines()) == 1
    assert sandboxes() == []
