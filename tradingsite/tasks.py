"""Every Celery task: load by id, one call, nothing returned, safe to run twice."""

from dataclasses import asdict
from typing import Any

from django.db import close_old_connections

from tradingsite.celery import WALK, app
from tradingsite.pipelines import data_care, ingestion, learning, storage, supervision, trading

QUICK: dict[str, Any] = {"soft_time_limit": 20, "time_limit": 30}
LONG: dict[str, Any] = {"soft_time_limit": 540, "time_limit": 570}
RETRAIN_SECONDS = 120
INGEST_SECONDS = 60
CARE_SECONDS = 60
TIDY_SECONDS = 600

_seen = {"publish_failures": 0}


@app.task(name=WALK, queue="signals", **QUICK)
def walk(*, account_id: int, force: bool = False, **_: Any) -> None:
    """Take one account as far as it goes in a quarter second."""
    close_old_connections()
    trading.walk(account_id, force=force)


@app.task(name="ingest", queue="ingest", **LONG)
def ingest(**_: Any) -> None:
    """Store history that the feeds have and we have not."""
    close_old_connections()
    if supervision.claim_slot("ingest", INGEST_SECONDS):
        with supervision.unhurried():
            supervision.remember("ingest", lambda: asdict(ingestion.ingest_history()))


@app.task(name="care", queue="research", **LONG)
def care(*, gap_id: int | None = None, **_: Any) -> None:
    """Look for holes and odd bars, ask providers for what is missing.

    With a gap's id somebody waits for that gap alone.
    """
    close_old_connections()
    if gap_id is not None:
        data_care.ask_for_gap(gap_id)
    elif supervision.claim_slot("care", CARE_SECONDS):
        with supervision.unhurried():
            supervision.remember("care", lambda: asdict(data_care.care_for_data()))


@app.task(name="tidy", queue="research", **LONG)
def tidy(**_: Any) -> None:
    """Pack bars for reading, drop partitions past their retention."""
    close_old_connections()
    if supervision.claim_slot("tidy", TIDY_SECONDS):
        with supervision.unhurried():
            supervision.remember("tidy", lambda: asdict(storage.tidy_storage()))


@app.task(name="score", queue="signals", **QUICK)
def score(**_: Any) -> None:
    """Nudge accounts that are behind their stream."""
    close_old_connections()
    supervision.catch_up()


@app.task(name="execute", queue="execution", **QUICK)
def execute(**_: Any) -> None:
    """Send what is due."""
    close_old_connections()
    supervision.dispatch_due()


@app.task(name="sweep", queue="signals", **QUICK)
def sweep(**_: Any) -> None:
    """Find forgotten work."""
    close_old_connections()
    supervision.sweep()


@app.task(name="retrain", queue="learning", **LONG)
def retrain(*, force: bool = False, **_: Any) -> None:
    """Learn weights where enough is new."""
    close_old_connections()
    if force or supervision.claim_slot("retrain", RETRAIN_SECONDS):
        supervision.remember("retrain", lambda: {"versions": learning.retrain_all(force=force)})


@app.task(name="reconcile", queue="execution", **QUICK)
def reconcile(**_: Any) -> None:
    """Compare our open orders with the venues."""
    close_old_connections()
    supervision.reconcile_all()


@app.task(name="mark_to_market", queue="signals", **QUICK)
def mark_to_market(**_: Any) -> None:
    """Mark every account at the newest closes."""
    close_old_connections()
    supervision.mark_all()


@app.task(name="health", queue="execution", **QUICK)
def health(**_: Any) -> None:
    """Raise and clear alerts about the desk itself."""
    close_old_connections()
    _seen["publish_failures"] = supervision.watch_health(_seen["publish_failures"])
