"""Splits: from an instant on, one unit is `ratio` units."""

import pgtrigger
from django.db import models

from marketdata.models.instruments import Instrument
from marketdata.models.wall_time import wall_time


class Split(models.Model):
    """One split; the first bar in new units is the one that opens at `effective_at`."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    effective_at = models.DateTimeField()
    ratio = models.DecimalField(max_digits=16, decimal_places=8)
    source = models.CharField(max_length=80, blank=True)
    created_at = wall_time()

    class Meta:
        ordering = ("instrument", "effective_at")
        constraints = (
            models.UniqueConstraint(fields=("instrument", "effective_at"), name="split_key"),
            models.CheckConstraint(
                condition=models.Q(ratio__gt=0, ratio__lt=10**6), name="split_ratio"
            ),
        )
        triggers = (pgtrigger.Protect(name="no_edit", operation=pgtrigger.Update),)

    def __str__(self) -> str:
        return f"{self.instrument} {self.ratio.normalize():f} for 1 at {self.effective_at:%Y-%m-%d}"
