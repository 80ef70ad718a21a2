"""Fitted regimes: immutable numbers, valid from an instant on."""

import pgtrigger
from django.db import models

from marketdata.models import Instrument
from marketdata.models.bars import TIMEFRAMES
from marketdata.models.wall_time import wall_time


class RegimeModel(models.Model):
    """What tells the regimes of one instrument and timeframe apart, learned from its past."""

    label = models.CharField(max_length=100, unique=True, help_text="Natural name.")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    method = models.CharField(max_length=20)
    numbers = models.JSONField(help_text="The fitted numbers, in the method's own order.")
    measures = models.JSONField(default=dict)
    data_hash = models.CharField(max_length=64)
    as_of = models.DateTimeField(help_text="Closing instant of the last bar learned from.")
    valid_from = models.DateTimeField(help_text="First closing instant it decides.")
    created_at = wall_time()

    class Meta:
        ordering = ("instrument", "timeframe", "-valid_from")
        constraints = (
            models.UniqueConstraint(
                fields=("instrument", "timeframe", "valid_from"), name="regime_model_key"
            ),
        )
        triggers = (
            pgtrigger.ReadOnly(name="immutable"),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        )

    def __str__(self) -> str:
        return self.label
