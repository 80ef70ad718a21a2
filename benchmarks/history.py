"""History into the table of bars: ours beside Django's upsert and a bare binary COPY."""

from collections.abc import Callable
from typing import Any

from benchmarks.own_database import measured_in


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return medians of interleaved rounds on a database of their own."""
    return measured_in("benchmarks.history_loads", say)
