"""The desk looks after itself: finds forgotten work, compares, marks, raises alerts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import connection

from domain.money import from_nano
from execution.queries import accounts_behind, accounts_with_work, frozen_accounts
from execution.services.mark_to_market import mark_to_market
from execution.services.reconcile_orders import reconcile_orders
from execution.services.submit_orders import submit_orders
from marketdata.models import Account
from marketdata.models.wall_time import ClockTimestamp
from risk.models import Control
from tradingsite.celery import PublishFailures, nudge
from tradingsite.models import JobRun
from tradingsite.monitoring.alerts import clear_alert, raise_alert
from tradingsite.monitoring.health import check_health

FROZEN_SECONDS = 5

log = structlog.get_logger("supervision")


def claim_slot(name: str, every_seconds: int) -> bool:
    """Tell whether this is the first to run the job in the current slot of database time."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tradingsite_jobslot (name, slot) VALUES (%s,"
            " date_bin(make_interval(secs => %s), clock_timestamp(), '2000-01-01'::timestamptz))"
            " ON CONFLICT DO NOTHING",
            (name, every_seconds),
        )
        return cursor.rowcount == 1


def remember(name: str, work: Callable[[], dict[str, Any]]) -> None:
    """Run a job and keep what it did; a run that had nothing to do is forgotten."""
    run = JobRun.objects.create(name=name)
    try:
        detail = work()
    except Exception as error:
        _finish_run(run, "failed", {"error": f"{type(error).__name__}: {error}"[:300]})
        raise
    if any(detail.values()):
        _finish_run(run, "done", detail)
    else:
        run.delete()


def _finish_run(run: JobRun, state: str, detail: dict[str, Any]) -> None:
    runs = JobRun.objects.filter(pk=run.pk)
    runs.update(state=state, detail=detail, finished_at=ClockTimestamp())


@contextmanager
def unhurried() -> Iterator[None]:
    """Lift the trading lanes' short statement timeout: storing history may take its time."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")


def sweep() -> None:
    """Nudge every account with work; go past the lock of one that has stood still too long."""
    frozen = set(frozen_accounts(FROZEN_SECONDS))
    for account_id in accounts_with_work():
        nudge(account_id, force=account_id in frozen)


def catch_up() -> None:
    """Nudge the accounts that have not decided their stream's newest instant."""
    for account_id in accounts_behind():
        nudge(account_id)


def dispatch_due() -> None:
    """Send what the outbox holds, whoever put it there."""
    for account_id in accounts_with_work():
        with _alone("dispatch", str(account_id)):
            submit_orders(_account(account_id))


def reconcile_all() -> None:
    """Compare every account's open orders with its venue."""
    for account in Account.objects.select_related("stream"):
        with _alone("reconcile", account.name):
            lost = reconcile_orders(account)
            _alert_if(
                bool(lost),
                kind="reconcile",
                subject=account.name,
                message=f"{lost} open orders are unknown at the venue",
            )


def mark_all() -> None:
    """Mark every account; raise or clear its drawdown alert."""
    for control in Control.objects.select_related("account__stream", "profile"):
        with _alone("mark", control.account.name):
            marked = mark_to_market(control.account)
            limit = from_nano(control.profile.drawdown_e9)
            _alert_if(
                marked.drawdown >= limit,
                kind="drawdown",
                subject=marked.account,
                message=f"drawdown {marked.drawdown:.1%} has reached the limit of {limit:.1%}",
            )


def watch_health(last_failures: int) -> int:
    """Raise an alert per unwell component, clear the others; return the publish failures seen."""
    for component in check_health().components:
        _alert_if(
            not component.ok, kind="health", subject=component.name, message=component.why or ""
        )
    _alert_if(
        PublishFailures.count > last_failures,
        kind="publish_failed",
        subject="celery",
        message="messages could not be published; sweepers pick the work up",
    )
    return PublishFailures.count


@contextmanager
def _alone(job: str, account: str) -> Iterator[None]:
    """Keep one account's failure from ending the job for the accounts after it."""
    try:
        yield
    except Exception:
        log.exception("account_failed", job=job, account=account)
        raise_alert(kind=f"{job}_failed", object=account, message="see the log for the reason")
    else:
        clear_alert(kind=f"{job}_failed", object=account)


def _account(account_id: int) -> Account:
    return Account.objects.select_related("stream").get(pk=account_id)


def _alert_if(wrong: bool, *, kind: str, subject: str, message: str) -> None:  # noqa: FBT001
    if wrong:
        raise_alert(kind=kind, object=subject, message=message)
    else:
        clear_alert(kind=kind, object=subject)
