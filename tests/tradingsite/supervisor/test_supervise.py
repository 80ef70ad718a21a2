"""The supervisor, run for real in a process of its own with small children."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tradingsite.supervisor.supervise import answers, parse_report

DRIVER = """
import json, os, sys
from pathlib import Path
from tradingsite.processes import Process
from tradingsite.supervisor import heartbeat, leftovers
from tradingsite.supervisor.console import Console
from tradingsite.supervisor.supervise import GaveUpError, Supervisor

run, children, stale = Path(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3])
heartbeat.STALE_SECONDS = stale
console = Console(sys.stdout, run / "up.log")
processes = [Process(name, part, ("python", "-c", code)) for name, part, code in children]
supervisor = Supervisor(
    processes, env=dict(os.environ), run=run, console=console, membership=None
)
supervisor.listen_to_signals()
console.say(f"swept {leftovers.sweep(supervisor.sessions_file)}")
supervisor.start_all()
code = 0
try:
    supervisor.run_until_stopped(lambda: False)
except GaveUpError as error:
    sys.stderr.write(f"{error}\\n")
    code = 1
finally:
    supervisor.stop_all()
console.say("all stopped")
sys.exit(code)
"""
QUIET = "import time; print('up', flush=True); time.sleep(120)"
FAILS = "import sys; print('reason', flush=True); sys.exit(3)"
STUBBORN = (
    "import signal, time\n"
    "for number in (signal.SIGTERM, signal.SIGQUIT): signal.signal(number, signal.SIG_IGN)\n"
    "print('up', flush=True)\n"
    "time.sleep(120)"
)
HANGS = (
    "import time\n"
    "from tradingsite.supervisor.heartbeat import beat\n"
    "beat()\n"
    "print('up', flush=True)\n"
    "time.sleep(120)"
)


class Driven:
    """A supervisor in a process of its own."""

    def __init__(self, run: Path, children: list[tuple[str, str, str]], stale: float) -> None:
        self.log = run / "up.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(run), json.dumps(children), str(stale)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def saw(self, *lines: str, times: int = 1) -> bool:
        return wait_for(lambda: all(self.text().count(line) >= times for line in lines))

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.03)
    return False


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Callable[..., Driven]]:
    """Return a function that starts a supervisor; its processes are gone after the test."""
    started: list[Driven] = []

    def start(*children: tuple[str, str, str], stale: float = 45.0) -> Driven:
        started.append(Driven(tmp_path, list(children), stale))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGTERM)
        one.process.communicate(timeout=20)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stop_request_ends_every_child(drive: Callable[..., Driven], number: int) -> None:
    desk = drive(("web", "web", QUIET), ("trading", "worker", QUIET))
    assert desk.saw("web      | up", "trading  | up")
    children = desk.children()
    desk.process.send_signal(number)
    assert desk.process.wait(15) == 0
    assert not any(child.is_running() for child in children)
    assert "all stopped" in desk.text()


def test_workers_stop_after_what_feeds_them(drive: Callable[..., Driven]) -> None:
    farewell = (
        "import signal, sys, time\n"
        "def end(*_): print('bye', time.monotonic(), flush=True); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "print('up', flush=True)\n"
        "time.sleep(120)"
    )
    desk = drive(("trading", "worker", farewell), ("feed", "feed", farewell))
    assert desk.saw("| up", times=2)
    desk.process.send_signal(signal.SIGINT)
    desk.process.wait(15)
    last = [line.split(" | ")[0].strip() for line in desk.text().splitlines() if "bye" in line]
    assert last == ["feed", "trading"]


def test_stop_when_children_ignore_it_takes_less_than_ten_seconds(
    drive: Callable[..., Driven],
) -> None:
    desk = drive(("web", "web", STUBBORN), ("trading", "worker", STUBBORN))
    assert desk.saw("| up", times=2)
    started = time.monotonic()
    desk.process.send_signal(signal.SIGINT)
    assert desk.process.wait(15) == 0
    assert time.monotonic() - started < 9.0


def test_second_ctrl_c_kills_at_once(drive: Callable[..., Driven]) -> None:
    desk = drive(("web", "web", STUBBORN))
    assert desk.saw("| up")
    desk.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    started = time.monotonic()
    desk.process.send_signal(signal.SIGINT)
    assert desk.process.wait(15) == 0
    assert time.monotonic() - started < 1.5


def test_a_child_that_dies_is_started_again(drive: Callable[..., Driven]) -> None:
    desk = drive(("web", "web", QUIET), ("feed", "feed", QUIET))
    assert desk.saw("web      | up", "feed     | up")
    next(iter(desk.children())).kill()
    assert desk.saw("ended with exit -9: restarting it in 0.5 s", "| up", times=1)
    assert wait_for(lambda: desk.text().count("| up") == 3)


def test_a_child_that_keeps_failing_stops_the_desk_and_shows_why(
    drive: Callable[..., Driven],
) -> None:
    desk = drive(("web", "web", QUIET), ("feed", "feed", FAILS))
    _, errors = desk.process.communicate(timeout=40)
    assert desk.process.returncode == 1
    assert errors == "feed keeps failing (exit 3); everything was stopped\n"
    assert "feed failed 5 times; its last lines:\nfeed     | reason\n" in desk.text()
    assert desk.text().endswith("all stopped\n")


def test_a_child_that_hangs_is_started_again(drive: Callable[..., Driven]) -> None:
    desk = drive(("trading", "worker", HANGS), stale=1.0)
    assert desk.saw("trading gives no sign of life: restarting it")
    assert wait_for(lambda: desk.text().count("| up") >= 2)


def test_a_child_that_never_gave_signs_of_life_is_left_alone(
    drive: Callable[..., Driven],
) -> None:
    desk = drive(("web", "web", QUIET), stale=0.2)
    assert desk.saw("| up")
    time.sleep(1.0)
    assert "no sign of life" not in desk.text()


def test_children_end_when_the_supervisor_is_killed(
    drive: Callable[..., Driven],
) -> None:
    desk = drive(("web", "web", QUIET))
    assert desk.saw("| up")
    children = desk.children()
    desk.process.kill()
    assert wait_for(lambda: not any(child.is_running() for child in children))


def test_what_a_killed_supervisor_left_is_swept_by_the_next(
    drive: Callable[..., Driven],
) -> None:
    first = drive(("web", "web", STUBBORN))
    assert first.saw("| up")
    survivor = first.children()[0]
    first.process.kill()
    first.process.wait()
    assert survivor.is_running()
    second = drive(("web", "web", QUIET))
    assert second.saw("swept 1")
    assert wait_for(lambda: not survivor.is_running())


def test_long_lines_and_unfinished_lines_arrive(drive: Callable[..., Driven]) -> None:
    desk = drive(("web", "web", "print('x' * 40000, end='', flush=True)\n" + QUIET))
    assert wait_for(lambda: desk.text().count("x") >= 40000)


def test_parse_report_takes_the_last_line_only() -> None:
    assert parse_report('noise\n{"user": "admin", "password": "p"}\n') == {
        "user": "admin",
        "password": "p",
    }
    assert parse_report("noise\n") == {}


def test_answers_when_nobody_listens_is_false() -> None:
    assert not answers(f"http://127.0.0.1:1/healthz?{os.getpid()}")
