"""What the upper floors ask about limits and halts."""

from dataclasses import dataclass

from django.db import connection

from risk.rules.registry import Limits


@dataclass(frozen=True, slots=True)
class ControlState:
    """May this account trade, and under which limits."""

    state: str
    halt_epoch: int
    limits: Limits


def control_for_share(account_id: int) -> ControlState:
    """Return the account's control, its row locked against a halt until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.state, c.halt_epoch, p.position_e9, p.day_loss_e9, p.drawdown_e9,"
            " p.stale_bars FROM risk_control c JOIN risk_profile p ON p.id = c.profile_id"
            " WHERE c.account_id = %s FOR SHARE OF c",
            (account_id,),
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"account {account_id} has no risk control")
    return ControlState(row[0], row[1], Limits(*row[2:]))
