"""Equity: the account marked at every decided instant."""

from django.db import models

from execution.models.columns import cash_column
from marketdata.models import Account
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time


class EquityPoint(models.Model):
    """Cash and marked worth at one closing instant, before its decisions."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    closed_at = models.DateTimeField()
    cash = cash_column()
    positions_value = cash_column()
    equity = cash_column()
    created_at = wall_time()

    class Meta:
        ordering = ("account", "closed_at")
        constraints = (
            models.UniqueConstraint(fields=("account", "closed_at"), name="equity_point_key"),
        )
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.account_id} {self.closed_at:%Y-%m-%d} {self.equity}"
