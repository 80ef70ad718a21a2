"""Fills: what a venue did for an order."""

from django.db import models

from execution.models.columns import cash_column, quantity_column
from execution.models.orders import Order
from marketdata.models import Account
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time


class Fill(models.Model):
    """One execution, booked once."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    execution_id = models.CharField(max_length=60)
    order = models.ForeignKey(Order, models.PROTECT, related_name="+")
    quantity = quantity_column()
    price = models.DecimalField(max_digits=30, decimal_places=10)
    fee = cash_column()
    executed_at = models.DateTimeField(help_text="Logical: the open of the filling bar.")
    created_at = wall_time()

    class Meta:
        ordering = ("-executed_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("account", "execution_id"), name="fill_key"),
            models.CheckConstraint(
                name="fill_numbers",
                condition=models.Q(quantity__gt=0, quantity__lt=10**15)
                & models.Q(price__gt=0, price__lt=10**15)
                & models.Q(fee__gte=0, fee__lt=10**18),
            ),
        )
        triggers = (append_only(),)

    def __str__(self) -> str:
        return self.execution_id
