"""Children die with us and not before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tradingsite.embedded.children import spawn, stop, working_inside

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
PARENT = """
import os, sys, time
from pathlib import Path
from tradingsite.embedded.children import spawn
child = spawn([sys.executable, "-c", "import time; time.sleep(60)"], cwd=Path("/"), env={})
print(child.pid, flush=True)
time.sleep(60)
"""


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_spawn_puts_the_child_into_its_own_session(folder: Path) -> None:
    child = spawn(SLEEPER, cwd=folder, env={})
    assert os.getsid(child.pid) == child.pid
    stop(child, [(signal.SIGTERM, 5.0)])
    assert child.returncode == -signal.SIGTERM


def test_child_when_its_parent_is_killed_ends() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone(child)


def test_stop_when_signals_are_ignored_kills_the_whole_session(folder: Path) -> None:
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(inner.pid, flush=True); time.sleep(60)"
    )
    child = spawn([sys.executable, "-c", stubborn], cwd=folder, env={}, output=subprocess.PIPE)
    assert child.stdout is not None
    inner = int(child.stdout.readline())
    stop(child, [(signal.SIGTERM, 0.2)])
    child.stdout.close()
    assert child.returncode == -signal.SIGKILL
    assert wait_until_gone(inner)


def test_working_inside_finds_the_living_and_no_zombie(folder: Path) -> None:
    child = spawn(SLEEPER, cwd=folder, env={})
    name = psutil.Process(child.pid).name()
    deadline = time.monotonic() + 5
    while not working_inside(folder, name) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert working_inside(folder, name) == [child.pid]
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped: a zombie
    assert working_inside(folder, name) == []
    child.wait()
