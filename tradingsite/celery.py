"""The Celery app, and `nudge()`: the only place that publishes a message."""

import os

from celery import Celery
from django.db import transaction

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradingsite.settings.local")

app = Celery("tradingsite")
app.config_from_object("django.conf:settings", namespace="CELERY")

WALK = "walk"


class PublishFailures:
    """How many messages this process could not publish; sweepers find the work anyway."""

    count = 0


def nudge(account_id: int, *, force: bool = False) -> None:
    """After commit, say "look again" about one account; an error is swallowed and counted.

    `force` walks past the account's lock: for a holder that has frozen.
    """
    transaction.on_commit(lambda: _publish(account_id, force=force), robust=True)


def _publish(account_id: int, *, force: bool) -> None:
    try:
        app.send_task(
            WALK,
            kwargs={"account_id": account_id, "force": force},
            queue="signals",
            retry=False,
            expires=60,
        )
    except Exception:  # noqa: BLE001  (whatever the broker raises, the row is in PostgreSQL)
        PublishFailures.count += 1
