"""The last 500 bars of 500 instruments into arrays, also out of ten million stored bars."""

from collections.abc import Callable
from typing import Any

from benchmarks.own_database import measured_in


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return medians of interleaved rounds: the ORM, a plain cursor, packed bars."""
    return measured_in("benchmarks.window_reads", say)
