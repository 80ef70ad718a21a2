"""Logs as JSON lines on stderr, each with the id that runs from bar to fill."""

import logging
import warnings
from datetime import datetime
from typing import Any

import structlog
from structlog.typing import Processor

from tradingsite import env

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]

structlog.configure(
    processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


def walk_id(stream: str, closed_at: datetime) -> str:
    """Return the id under which an instant is logged, from its bars to its fills."""
    return f"{stream}@{closed_at:%Y-%m-%dT%H:%M:%SZ}"


class NotHealth(logging.Filter):
    """Drops the lines about a health page that answered "not yet": that is its work."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line is worth writing."""
        return not (record.name == "django.request" and "/healthz" in record.getMessage())


def logging_config() -> dict[str, Any]:
    """Return Django's LOGGING: everything through one JSON formatter."""
    level = env.text("LOG_LEVEL", "INFO").upper()
    if level not in LEVELS:
        raise env.BadSettingError(f"LOG_LEVEL must be one of {', '.join(LEVELS)}, not '{level}'")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"not_health": {"()": NotHealth}},
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["not_health"],
            }
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["stderr"], "level": level, "propagate": False},
            "celery": {"level": "WARNING"},
            "uvicorn.access": {"level": "WARNING"},
            "django_celery_beat": {"level": "WARNING"},
        },
    }


logging.captureWarnings(capture=True)
# Celery warns of root for the sake of pickle, which no queue of ours accepts; a container's
# only user is often root.
warnings.filterwarnings("ignore", message="You're running the worker with superuser")
