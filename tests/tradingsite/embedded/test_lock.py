"""Locks end with their holder."""

import os
import subprocess
import sys
from pathlib import Path

from tradingsite.embedded.lock import FileLock, exclusive_holder

HOLD = """
import sys, time
from pathlib import Path
from tradingsite.embedded.lock import FileLock
lock = FileLock(Path(sys.argv[1]))
assert lock.try_exclusive()
print("held", flush=True)
time.sleep(60)
"""


def test_try_exclusive_when_shared_by_another_is_refused(folder: Path) -> None:
    one, two = FileLock(folder / "lock"), FileLock(folder / "lock")
    one.take_shared()
    assert not two.try_exclusive()
    one.release()
    assert two.try_exclusive()
    two.release()


def test_take_shared_when_shared_by_another_is_granted(folder: Path) -> None:
    one, two = FileLock(folder / "lock"), FileLock(folder / "lock")
    one.take_shared()
    two.take_shared()
    one.release()
    two.release()


def test_exclusive_holder_names_the_process(folder: Path) -> None:
    assert exclusive_holder(folder / "lock") is None
    with FileLock(folder / "lock") as lock:
        assert lock.try_exclusive()
        assert exclusive_holder(folder / "lock") == os.getpid()
    assert exclusive_holder(folder / "lock") is None


def test_lock_when_its_holder_is_killed_is_free(folder: Path) -> None:
    path = folder / "lock"
    child = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert exclusive_holder(path) == child.pid
    child.kill()
    child.wait()
    child.stdout.close()
    assert exclusive_holder(path) is None
