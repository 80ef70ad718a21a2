"""Secrets generated once, kept in files that only their owner may read."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from tradingsite.embedded.locations import claim


def random_text() -> str:
    """Return 256 random bits as text that needs no escaping in a URL."""
    return secrets.token_urlsafe(32)


def read_or_make(data: Path, name: str, make: Callable[[], str] = random_text) -> str:
    """Return the secret `name` below `data`, made on first use; two starters agree on one."""
    path = data / "secrets" / name
    if not path.exists():
        claim(data)
        _write_once(path, make())
    return path.read_text(encoding="utf-8").strip()


def _write_once(path: Path, value: str) -> None:
    """Write the file whole or not at all, and keep the one another process was faster with."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
