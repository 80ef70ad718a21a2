"""The Celery app, and `nudge()`: the only place that publishes a message."""

import os
from typing import Any

from celery import Celery
from django.db import transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings.local")

app = Celery("tradingsite")
app.config_from_object("django.conf:settings", namespace="CELERY")

WALK = "walk"
CARE = "care"


class PublishFailures:
    """How many messages this process could not publish; sweepers find the work anyway."""

    count = 0


def nudge(account_id: int, *, force: bool = False) -> None:
    """After commit, say "look again" about one account; an error is swallowed and counted.

    `force` walks past the account's lock: for a holder that has frozen.
    """
    transaction.on_commit(lambda: _publish(account_id, force=force), robust=True)


def ask_for_gap(gap_id: int) -> bool:
    """Have a worker ask the providers for a gap now; tell whether the message went out."""
    return _sent(CARE, {"gap_id": gap_id}, "research")


def _publish(account_id: int, *, force: bool) -> None:
    _sent(WALK, {"account_id": account_id, "force": force}, "signals")


def _sent(task: str, words: dict[str, Any], queue: str) -> bool:
    try:
        app.send_task(task, kwargs=words, queue=queue, retry=False, expires=60)
    except Exception:  # noqa: BLE001  (whatever the broker raises, the row is in PostgreSQL)
        PublishFailures.count += 1
        return False
    return True
