"""The paper venue's own journal: what it accepted and executed. Not ours to read elsewhere."""

from django.db import models

from execution.models.columns import cash_column, quantity_column
from marketdata.models import Account, Instrument
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time


class PaperOrder(models.Model):
    """An order as the paper venue took it."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    client_order_id = models.CharField(max_length=36)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    side = models.SmallIntegerField()
    quantity = quantity_column()
    decided_at = models.DateTimeField()
    state = models.CharField(max_length=10, default="open")
    accepted_at = wall_time()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("account", "client_order_id"), name="paper_order_key"),
        )
        indexes = (
            models.Index(
                fields=("account",), condition=models.Q(state="open"), name="paper_order_open"
            ),
        )

    def __str__(self) -> str:
        return self.client_order_id


class PaperExecution(models.Model):
    """One match; `cursor` counts per account in the order of commits."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    cursor = models.BigIntegerField()
    execution_id = models.CharField(max_length=60)
    client_order_id = models.CharField(max_length=36)
    quantity = quantity_column()
    price = models.DecimalField(max_digits=30, decimal_places=10)
    fee = cash_column()
    executed_at = models.DateTimeField()
    closed_at = models.DateTimeField(help_text="Close of the filling bar: known from then on.")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("account", "cursor"), name="paper_execution_cursor"),
            models.UniqueConstraint(fields=("account", "execution_id"), name="paper_execution_key"),
        )
        triggers = (append_only(),)

    def __str__(self) -> str:
        return self.execution_id
