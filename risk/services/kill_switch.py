"""The kill switch: halt an account, let it go on."""

from django.db import transaction

from domain.bus import publish
from domain.errors import PlumblineError
from domain.events import AccountHalted, AccountResumed
from marketdata.models.wall_time import ClockTimestamp
from marketdata.queries import find_account
from risk.models import Control, Halt


class NoReasonError(PlumblineError):
    """A halt and its release are explained."""

    code = "no_reason"


def engage_kill_switch(*, account_name: str, actor: str, reason: str) -> Control:
    """Halt the account: entries are refused and unsent orders do not leave. Repeatable."""
    return _switch(account_name=account_name, actor=actor, reason=reason, halted=True)


def release_kill_switch(*, account_name: str, actor: str, reason: str) -> Control:
    """Let the account trade again. Repeatable."""
    return _switch(account_name=account_name, actor=actor, reason=reason, halted=False)


def _switch(*, account_name: str, actor: str, reason: str, halted: bool) -> Control:
    if not reason.strip():
        raise NoReasonError("say why: a reason is needed to halt or resume an account")
    account = find_account(account_name)
    state = "halted" if halted else "active"
    with transaction.atomic():
        control = Control.objects.select_for_update().get(account=account)
        if control.state == state:
            return control
        control.state = state
        if halted:
            control.halt_epoch += 1
            Halt.objects.create(account=account, actor=actor, reason=reason[:200])
        else:
            Halt.objects.filter(account=account, to_at=None).update(to_at=ClockTimestamp())
        control.save(update_fields=["state", "halt_epoch"])
        # Shard 0: halting takes only the control row, never the book.
        kind = AccountHalted if halted else AccountResumed
        publish(
            kind(
                shard=0,
                actor=actor,
                action="halt" if halted else "resume",
                subject=account.name,
                detail={"reason": reason[:200], "halt_epoch": control.halt_epoch},
            )
        )
    return control
