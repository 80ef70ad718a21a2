"""What the terminal shows: steps with their time, one merged log, a box when ready."""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TextIO

COLOURS = {
    "web": "36",
    "trading": "32",
    "learning": "35",
    "beat": "33",
    "feed": "34",
    "desk": "1",
}
LEVEL_COLOURS = {"warning": "33", "error": "31", "critical": "31"}
NAME_WIDTH = 8
# Told by the line's beginning already, or of no use to a reader.
HIDDEN_KEYS = frozenset({"event", "message", "level", "timestamp", "time", "logger"})
# Read best as they are, on lines of their own.
TRACEBACK_KEYS = frozenset({"exception", "traceback", "stack"})


class Console:
    """Writes to the terminal and to the log file of this run."""

    def __init__(self, out: TextIO, log: Path) -> None:
        self._out = out
        self._log: IO[str] = log.open("a", encoding="utf-8")
        self.colourful = out.isatty() and not os.environ.get("NO_COLOR")

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Announce a step and say how long it took."""
        started = time.monotonic()
        self.say(f"{what} ...")
        yield
        self.say(f"{what}: done in {time.monotonic() - started:.1f} s")

    def say(self, line: str) -> None:
        """Write a line of the supervisor's own."""
        self.write("desk", line)

    def write(self, name: str, raw: str) -> None:
        """Write one line of a process, JSON rendered for people."""
        level, line = rendered(raw)
        prefix = f"{name:<{NAME_WIDTH}} | "
        self._log.write(prefix + line + "\n")
        self._log.flush()
        self._put(self._painted(COLOURS.get(name, "37"), prefix) + self._of_level(level, line))

    def box(self, lines: Sequence[str]) -> None:
        """Frame lines so that they stand out of the log; never written to the file."""
        width = max(len(line) for line in lines)
        edge = "+" + "-" * (width + 2) + "+"
        self._put("\n".join([edge, *(f"| {line:<{width}} |" for line in lines), edge]))

    def tell_once(self, line: str) -> None:
        """Write a line to the terminal only: it holds a secret."""
        self._put(line)

    def close(self) -> None:
        """Close the log file."""
        self._log.close()

    def _of_level(self, level: str, line: str) -> str:
        return self._painted(LEVEL_COLOURS[level], line) if level in LEVEL_COLOURS else line

    def _painted(self, colour: str, part: str) -> str:
        return f"\033[{colour}m{part}\033[0m" if self.colourful else part

    def _put(self, whole: str) -> None:
        with suppress(BrokenPipeError, OSError):  # the terminal is gone; the desk goes on
            self._out.write(whole + "\n")
            self._out.flush()


def rendered(raw: str) -> tuple[str, str]:
    """Return (level, line): a JSON log line as `time level event key=value`, others as they are."""
    if not raw.startswith("{"):
        return "", raw
    try:
        fields = json.loads(raw)
    except ValueError:
        return "", raw
    if not isinstance(fields, dict):
        return "", raw
    level = str(fields.get("level", "info")).lower()
    event = " ".join(str(fields.get("event") or fields.get("message") or "").split())
    stamp = _clock(str(fields.get("timestamp") or fields.get("time") or ""))
    rest = [
        f"{key}={_value(value)}"
        for key, value in fields.items()
        if key not in HIDDEN_KEYS | TRACEBACK_KEYS and value not in (None, "")
    ]
    line = " ".join(part for part in (stamp, f"{level:<7}", event, *rest) if part)
    traces = [str(fields[key]).rstrip() for key in sorted(TRACEBACK_KEYS) if fields.get(key)]
    return level, "\n".join([line, *traces])


def _clock(stamp: str) -> str:
    """Return the time of day of an ISO instant."""
    return stamp[11:19] if len(stamp) >= 19 and stamp[10] in "T " else stamp


def _value(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if " " in value else value
    return json.dumps(value, ensure_ascii=False, default=str)


def standard_console(log: Path) -> Console:
    """Return a console on standard output."""
    return Console(sys.stdout, log)
