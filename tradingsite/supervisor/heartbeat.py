"""Signs of life: a process that hangs is restarted like one that died.

`beat` is for the watched process; connect it to Celery's `heartbeat_sent`, call it in loops.
It writes to the file the supervisor named in the environment, and does nothing without one.
The file works while Redis is down, and holds the machine's monotonic clock, which nobody sets.
"""

import os
import time
from pathlib import Path

FILE_VARIABLE = "PLUMBLINE_HEARTBEAT_FILE"
STALE_SECONDS = 45.0


def beat(*_: object, **__: object) -> None:
    """Say that this process is alive; accepts whatever a signal passes."""
    name = os.environ.get(FILE_VARIABLE)
    if name:
        # A short line lands whole: no draft and rename twice a second.
        Path(name).write_text(f"{time.monotonic():020.3f}", encoding="ascii")


def age_seconds(path: Path) -> float | None:
    """Return how old the last sign of life is, None before the first."""
    try:
        written = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    try:
        return time.monotonic() - float(written)
    except ValueError:  # read while it was being written
        return 0.0
