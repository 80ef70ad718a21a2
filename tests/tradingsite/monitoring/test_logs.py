"""How much is logged, and what is not."""

import logging

import pytest

from tradingsite.env import BadSettingError
from tradingsite.monitoring.logs import NotHealth, logging_config


def test_level_when_set_applies_and_when_empty_is_info(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    assert logging_config()["root"]["level"] == "DEBUG"
    monkeypatch.setenv("LOG_LEVEL", "")
    assert logging_config()["root"]["level"] == "INFO"


def test_level_when_nonsense_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "loud")
    with pytest.raises(BadSettingError, match=r"^LOG_LEVEL must be one of DEBUG"):
        logging_config()


@pytest.mark.parametrize(
    ("name", "message", "expected"),
    [
        ("django.request", "Service Unavailable: /healthz", False),
        ("django.request", "Not Found: /nothing", True),
        ("walk", "/healthz", True),
    ],
)
def test_health_lines_when_logged_by_django_are_dropped(
    name: str, message: str, expected: bool
) -> None:
    record = logging.LogRecord(name, logging.ERROR, "", 1, message, None, None)
    assert NotHealth().filter(record) is expected
