"""From `manage.py up` on an empty folder to the first fill on the page; memory; stopping."""

import http.cookiejar
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from os import environ
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any

import psutil

from tradingsite.embedded.locations import CHECKOUT

PATIENCE_SECONDS = 180
REST_SECONDS = 20
PASSWORD = re.compile(r"user: (\S+), password: (\S+)")


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return seconds to ready, to the first fill on the page and to the end; memory at rest."""
    with tempfile.TemporaryDirectory(prefix="plumbline-bench-") as folder:
        Path(folder).chmod(0o711)
        port = _free_port()
        started = time.monotonic()
        desk = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=CHECKOUT,
            env={**environ, "PLUMBLINE_DATA_DIR": folder + "/data", "PORT": str(port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        output: list[str] = []
        Thread(target=lambda: output.extend(desk.stdout or ()), daemon=True).start()
        try:
            say("waiting for the desk")
            ready = _until(lambda: _status(port) == 200) - started
            user, password = _until_found(output)
            page = _sign_in(port, user, password)
            say("waiting for the first fill")
            fill = _until(lambda: "/why/" in page("/")) - started
            say("letting it rest")
            time.sleep(REST_SECONDS)
            memory = _memory(desk.pid)
        finally:
            stopping = time.monotonic()
            desk.send_signal(signal.SIGINT)
            desk.wait(30)
            stopped = time.monotonic() - stopping
    return {
        "up to ready s": round(ready, 1),
        "up to first fill on the page s": round(fill, 1),
        "stop s": round(stopped, 1),
        **{f"memory {name} MB (PSS)": size for name, size in memory.items()},
    }


def _until(holds: Callable[[], bool]) -> float:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if holds():
            return time.monotonic()
        time.sleep(0.1)
    raise RuntimeError("the desk did not come so far in three minutes")


def _until_found(output: list[str]) -> tuple[str, str]:
    found = PASSWORD.search("".join(output))
    if found is None:
        raise RuntimeError("the desk showed no first user")
    return found[1], found[2]


def _status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return int(answer.status)
    except (urllib.error.URLError, OSError):
        return 0


def _sign_in(port: int, user: str, password: str) -> Callable[[str], str]:
    """Return a reader of pages that is signed in."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    base = f"http://127.0.0.1:{port}"

    def page(path: str, data: bytes | None = None) -> str:
        request = urllib.request.Request(base + path, data, {"Referer": base + path})  # noqa: S310
        with opener.open(request, timeout=10) as answer:
            return str(answer.read().decode())

    page("/login/")
    token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = {"username": user, "password": password, "csrfmiddlewaretoken": token}
    page("/login/", urllib.parse.urlencode(form).encode())
    return page


def _memory(pid: int) -> dict[str, int]:
    """Return proportional memory in MB by process of the desk, children with their parent."""
    sizes: dict[str, int] = {}
    desk = psutil.Process(pid)
    for process in [desk, *desk.children(recursive=True)]:
        words = " ".join(process.cmdline())
        size = process.memory_full_info().pss // 2**20
        sizes[_name(words)] = sizes.get(_name(words), 0) + size
    return dict(sorted(sizes.items()))


def _name(words: str) -> str:
    for sign, name in (
        ("uvicorn", "web"),
        ("celery -A tradingsite beat", "beat"),
        ("trading@", "worker trading"),
        ("learning@", "worker learning"),
        ("manage.py feed", "feed"),
        ("postgres", "postgres"),
        ("redis-server", "redis"),
        ("keeper", "keeper"),
    ):
        if sign in words:
            return name
    return "supervisor"


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
