"""Dividends as factors: what adjusted prices are made with, and what raw ones never show."""

from django.db import models

from marketdata.models.instruments import Instrument
from marketdata.models.wall_time import wall_time


class Dividend(models.Model):
    """Prices before `effective_at`, times `factor`, compare with prices after it."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    effective_at = models.DateTimeField()
    factor = models.DecimalField(max_digits=12, decimal_places=10)
    source = models.CharField(max_length=80, blank=True)
    created_at = wall_time()

    class Meta:
        ordering = ("instrument", "effective_at")
        constraints = (
            models.UniqueConstraint(fields=("instrument", "effective_at"), name="dividend_key"),
            models.CheckConstraint(
                condition=models.Q(factor__gt=0, factor__lte=1), name="dividend_factor"
            ),
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.factor.normalize():f} at {self.effective_at:%Y-%m-%d}"
