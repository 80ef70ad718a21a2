"""Scores: one number per instrument and closing instant, with everything it was made of."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from marketdata.models import Instrument
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time
from mlweights.models.weight_versions import WeightVersion


def _per_indicator() -> ArrayField:
    """Return a column with one number per indicator, in the weight version's order."""
    return ArrayField(models.FloatField(null=True))


class Score(models.Model):
    """The composite score of a bar under one weight version; null parts were missing."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=3)
    closed_at = models.DateTimeField()
    weight_version = models.ForeignKey(WeightVersion, models.PROTECT, related_name="+")
    value = models.DecimalField(max_digits=10, decimal_places=9)
    raw = _per_indicator()
    normalised = _per_indicator()
    contributions = _per_indicator()
    bars_from = models.DateTimeField(help_text="Opening of the first bar that was used.")
    bars_hash = models.CharField(max_length=64)
    regime = models.CharField(max_length=10, blank=True, default="", db_default="")
    volatility = models.CharField(max_length=4, blank=True, default="", db_default="")
    created_at = wall_time()

    class Meta:
        ordering = ("-closed_at", "instrument")
        constraints = (
            models.UniqueConstraint(
                fields=("instrument", "timeframe", "closed_at", "weight_version"),
                name="score_key",
            ),
            models.CheckConstraint(
                condition=models.Q(value__gte=-1, value__lte=1), name="score_range"
            ),
        )
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.closed_at:%Y-%m-%d} {self.value:+.3f}"
