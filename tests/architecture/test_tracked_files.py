"""What may be committed."""

from pathlib import Path

import pytest

from tests.architecture.guards import (
    LARGEST_BYTES,
    keys_in,
    machine_paths_in,
    main,
    shown,
    too_large,
    tracked_files,
)

PEM = "-----BEGIN RSA PRIVATE" + " KEY-----\n"


def test_tracked_files_when_searched_hold_no_private_key() -> None:
    assert list(keys_in(tracked_files())) == []


def test_tracked_files_when_measured_are_small() -> None:
    assert list(too_large(tracked_files())) == []


def test_tracked_files_when_read_name_no_path_of_one_machine() -> None:
    assert list(machine_paths_in(tracked_files())) == []


def test_tracked_files_when_listed_have_no_vague_names() -> None:
    vague_names = {"utils.py", "common.py", "helpers.py", "misc.py"}
    assert [shown(path) for path in tracked_files() if path.name in vague_names] == []


@pytest.mark.parametrize(
    ("guard", "name", "content"),
    [
        ("keys", "server.txt", PEM.encode()),
        ("keys", ".env", b"SECRET_KEY=x"),
        ("size", "model.bin", b"0" * (LARGEST_BYTES + 1)),
    ],
)
def test_guard_when_a_bad_file_is_staged_refuses(
    guard: str, name: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.architecture.guards.ROOT", tmp_path)
    bad = tmp_path / name
    bad.write_bytes(content)
    assert main([guard, str(bad)]) == 1
    fine = tmp_path / "fine.py"
    fine.write_text("x = 1\n")
    assert main([guard, str(fine)]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "see /home" + "/ann/plumbline",
        "cd /work" + "/main && make",
        "/root" + "/checkout",
        "open /Users" + "/ann/x",
    ],
)
def test_machine_paths_when_planted_are_found(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.architecture.guards.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(f"fine /work is a word\n{line}\n")
    assert list(machine_paths_in((page,))) == ["page.md:2"]
