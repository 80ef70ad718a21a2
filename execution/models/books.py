"""Books: one row per account, the lock every money movement takes first."""

from django.db import models

from execution.models.columns import cash_column
from marketdata.models import Account
from marketdata.models.wall_time import wall_time


class Book(models.Model):
    """Cash and the two program counters of one account's walk."""

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="+")
    cash = cash_column()
    peak_equity = cash_column(help_text="Highest marked equity so far.")
    settled_to = models.DateTimeField(help_text="Splits and fills are booked up to here.")
    decided_to = models.DateTimeField(help_text="Last closing instant decided.")
    execution_cursor = models.BigIntegerField(default=0)
    version = models.BigIntegerField(default=0)
    moved_at = wall_time()

    class Meta:
        ordering = ("account",)

    def __str__(self) -> str:
        return f"account {self.account_id} at {self.decided_to:%Y-%m-%d}"
