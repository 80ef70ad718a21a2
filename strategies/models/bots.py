"""Bots: running strategies, each with its account, instruments and parameters."""

from django.db import models

from marketdata.models import Account, Instrument
from marketdata.models.bars import TIMEFRAMES
from marketdata.models.wall_time import wall_time


class Bot(models.Model):
    """A strategy at work: `strategy` is its registered name."""

    STATES = (("running", "running"), ("stopped", "stopped"))

    name = models.SlugField(max_length=60, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    strategy = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict, blank=True)
    instruments = models.ManyToManyField(Instrument, related_name="+")
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    state = models.CharField(max_length=10, choices=STATES, default="stopped")
    created_at = wall_time()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
