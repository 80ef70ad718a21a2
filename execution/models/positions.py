"""Positions: projections of the ledger, one per bot and instrument."""

from django.db import models

from execution.models.columns import cash_column, quantity_column
from marketdata.models import Account, Instrument
from strategies.models import Bot


class Position(models.Model):
    """What one bot (null: a person) holds of one instrument."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    bot = models.ForeignKey(Bot, models.PROTECT, related_name="+", null=True)
    quantity = quantity_column()
    cost = cash_column(help_text="What the open quantity cost, signed like it.")
    realised = cash_column(help_text="Profit already taken, before fees.")
    fees = cash_column(default=0)

    class Meta:
        ordering = ("account", "instrument", "bot")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "instrument", "bot"), nulls_distinct=False, name="position_key"
            ),
            models.CheckConstraint(
                name="position_quantity",
                condition=models.Q(quantity__gt=-(10**15), quantity__lt=10**15),
            ),
        )

    def __str__(self) -> str:
        return f"{self.quantity:f} of {self.instrument_id}"
