"""A bar close of many instruments: windows or newest bars read, indicators, scores."""

from collections.abc import Callable
from typing import Any

from benchmarks.own_database import measured_in


def measure(say: Callable[[str], None]) -> dict[str, Any]:
    """Return milliseconds per close, folds warm and nothing in memory."""
    return measured_in("benchmarks.score_closes", say)
