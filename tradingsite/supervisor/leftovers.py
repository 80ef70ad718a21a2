"""Processes of an earlier run whose supervisor was killed before it could stop them."""

import json
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def remember(path: Path, pids: Iterable[int]) -> None:
    """Write down the sessions of our children: each child's pid and its time of birth."""
    sessions = {}
    for pid in pids:
        with suppress(psutil.Error):
            sessions[str(pid)] = psutil.Process(pid).create_time()
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(sessions), encoding="utf-8")
    draft.replace(path)


def sweep(path: Path) -> int:
    """Kill what still lives in the sessions written down; return how many processes that were.

    A session number may have been given to a stranger since: nobody older than the leader we
    knew, and no leader born at another time, is touched.
    """
    try:
        sessions: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return 0
    killed = 0
    for process in psutil.process_iter(["create_time"]):
        with suppress(ProcessLookupError, PermissionError, psutil.Error):
            session = str(os.getsid(process.pid))
            born = sessions.get(session)
            if born is None or not _is_same(sessions, session, process):
                continue
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
    path.unlink(missing_ok=True)
    return killed


def _is_same(sessions: dict[str, float], session: str, process: psutil.Process) -> bool:
    born = sessions[session]
    with suppress(psutil.NoSuchProcess):
        if psutil.Process(int(session)).create_time() != born:
            return False  # the number leads a stranger's session now
    return bool(process.info["create_time"] >= born)
