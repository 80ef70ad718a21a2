"""What no tracked file may hold: read by the tests here and by pre-commit (`-m … keys|size`)."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LARGEST_BYTES = 512 * 1024
# Written so that this file does not find itself.
KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE [K]EY-----")
PLACES = "|".join(("home", "Users", "root", "work"))
MACHINE_PATH = re.compile(rf"(?<![\w.])/({PLACES})/\w+|/tmp/[l]ab")
SECRET_FILES = frozenset({".env", "id_rsa", "id_ed25519", "credentials.json"})


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file that is, or would be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    paths = (ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if name)
    return tuple(path for path in paths if path.is_file())


def shown(path: Path) -> str:
    """Return the path as seen from the checkout."""
    return path.resolve().relative_to(ROOT).as_posix()


def keys_in(paths: tuple[Path, ...]) -> Iterator[str]:
    """Yield the files that hold a private key, or are known to hold secrets."""
    for path in paths:
        if path.name in SECRET_FILES or KEY.search(path.read_bytes()):
            yield shown(path)


def too_large(paths: tuple[Path, ...]) -> Iterator[str]:
    """Yield the files above the limit."""
    return (shown(path) for path in paths if path.stat().st_size > LARGEST_BYTES)


def machine_paths_in(paths: tuple[Path, ...]) -> Iterator[str]:
    """Yield `file:line` of every path that exists on somebody's machine only."""
    for path in paths:
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            if MACHINE_PATH.search(line):
                yield f"{shown(path)}:{number}"


GUARDS = {"keys": keys_in, "size": too_large}


def main(arguments: list[str]) -> int:
    """Check the files named after the guard; return 1 and name those that may not be committed."""
    guard, *names = arguments
    found = list(GUARDS[guard](tuple(Path(name) for name in names)))
    for name in found:
        sys.stderr.write(f"{guard}: {name}\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
