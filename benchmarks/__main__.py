"""`make bench`: run every benchmark, print one table; --json prints one object."""

import argparse
import json
import os
import platform
import sys

from benchmarks import desk, history, indicators, replay, scoring, ticks, windows

BENCHMARKS = {
    "replay": replay.measure,
    "desk": desk.measure,
    "ticks": ticks.measure,
    "history": history.measure,
    "windows": windows.measure,
    "indicators": indicators.measure,
    "one_bar": indicators.measure_one_bar,
    "scoring": scoring.measure,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=sorted(BENCHMARKS), help="one of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = parser.parse_args()
    answer: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
    }
    for name, measure in BENCHMARKS.items():
        if chosen.only in (None, name):
            answer |= measure(say)
    if chosen.json:
        sys.stdout.write(json.dumps(answer) + "\n")
        return
    for name, value in answer.items():
        sys.stdout.write(f"{name:<44} {value}\n")


def say(line: str) -> None:
    """Report progress."""
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
