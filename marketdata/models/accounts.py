"""Accounts: so low in the house because bots, decisions and orders all point at one."""

from django.db import models

from marketdata.models.streams import Stream
from marketdata.models.wall_time import wall_time


class Account(models.Model):
    """Where money lies and which stream its clock follows. Limits: risk. Cash: execution."""

    MODES = (("paper", "paper"),)

    name = models.CharField(max_length=60, unique=True)
    venue = models.CharField(max_length=20, default="paper", help_text="Registered broker.")
    currency = models.CharField(max_length=10, default="USD")
    mode = models.CharField(max_length=10, choices=MODES, default="paper")
    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    fee_e9 = models.BigIntegerField(
        default=500_000, help_text="Fee as 1e-9 of the notional: 500000 is 5 basis points."
    )
    slippage_e9 = models.BigIntegerField(
        default=200_000, help_text="Slippage as 1e-9 of the price: 200000 is 2 basis points."
    )
    created_at = wall_time()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(fee_e9__gte=0, fee_e9__lt=10**9)
                & models.Q(slippage_e9__gte=0, slippage_e9__lt=10**9),
                name="account_costs",
            ),
        )

    def __str__(self) -> str:
        return self.name
