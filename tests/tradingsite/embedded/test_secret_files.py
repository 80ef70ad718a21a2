"""Secrets are made once and stay private."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tradingsite.embedded.secret_files import random_text, read_or_make


def test_read_or_make_when_asked_again_returns_the_same(folder: Path) -> None:
    first = read_or_make(folder / "data", "key")
    assert read_or_make(folder / "data", "key") == first
    assert len(first) == 43


def test_read_or_make_when_made_only_the_owner_may_read(folder: Path) -> None:
    read_or_make(folder / "data", "key")
    assert stat.S_IMODE((folder / "data" / "secrets" / "key").stat().st_mode) == 0o600


def test_read_or_make_when_two_start_at_once_they_agree(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: read_or_make(folder / "data", "key"), range(32)))
    assert len(set(made)) == 1
    assert [path.name for path in (folder / "data" / "secrets").iterdir()] == ["key"]


def test_random_text_needs_no_escaping_in_a_url() -> None:
    assert all(sign.isalnum() or sign in "-_" for sign in random_text())
