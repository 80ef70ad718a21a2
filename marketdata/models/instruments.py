"""What can be traded, and the grid its prices lie on."""

from django.db import models

from marketdata.models.wall_time import wall_time


class Instrument(models.Model):
    """One tradable thing at one venue."""

    KINDS = (("equity", "equity"), ("crypto", "crypto"), ("fx", "fx"), ("index", "index"))

    venue = models.CharField(max_length=20)
    symbol = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=KINDS, default="equity")
    currency = models.CharField(max_length=10, default="USD")
    tick_size = models.DecimalField(max_digits=20, decimal_places=10)
    lot_size = models.DecimalField(max_digits=20, decimal_places=10)
    multiplier = models.DecimalField(max_digits=20, decimal_places=10, default=1)
    created_at = wall_time()

    class Meta:
        ordering = ("venue", "symbol")
        constraints = (
            models.UniqueConstraint(fields=("venue", "symbol"), name="instrument_key"),
            models.CheckConstraint(
                condition=models.Q(tick_size__gt=0, tick_size__lt=10**9)
                & models.Q(lot_size__gt=0, lot_size__lt=10**9)
                & models.Q(multiplier__gt=0, multiplier__lt=10**9),
                name="instrument_grid",
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"
