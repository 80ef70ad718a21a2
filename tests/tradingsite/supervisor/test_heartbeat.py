"""Signs of life."""

import time
from pathlib import Path

import pytest

from tradingsite.supervisor import heartbeat


def test_beat_when_watched_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "heartbeat-feed"
    monkeypatch.setenv(heartbeat.FILE_VARIABLE, str(file))
    assert heartbeat.age_seconds(file) is None
    heartbeat.beat(sender=object())
    age = heartbeat.age_seconds(file)
    assert age is not None
    assert age < 1.0


def test_beat_when_nobody_watches_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(heartbeat.FILE_VARIABLE, raising=False)
    heartbeat.beat()


def test_age_counts_from_the_last_beat(tmp_path: Path) -> None:
    file = tmp_path / "heartbeat"
    file.write_text(f"{time.monotonic() - 100:020.3f}")
    age = heartbeat.age_seconds(file)
    assert age is not None
    assert 99.0 < age < 102.0


def test_age_when_read_while_written_counts_as_fresh(tmp_path: Path) -> None:
    (tmp_path / "heartbeat").write_text("")
    assert heartbeat.age_seconds(tmp_path / "heartbeat") == 0.0
