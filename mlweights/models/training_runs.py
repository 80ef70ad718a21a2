"""Training runs: what was learned from which data, and what came of it."""

from django.db import models

from marketdata.models import Instrument
from marketdata.models.wall_time import wall_time


class TrainingRun(models.Model):
    """One attempt to learn weights from everything known at `as_of`."""

    STATES = (("running", "running"), ("done", "done"), ("refused", "refused"))

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    timeframe = models.CharField(max_length=3)
    optimizer = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    as_of = models.DateTimeField(help_text="Nothing that closed later was used.")
    data_hash = models.CharField(max_length=64, blank=True)
    measures = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=STATES, default="running")
    reason = models.CharField(max_length=300, blank=True)
    created_at = wall_time()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.optimizer} {self.instrument_id} {self.timeframe} as of {self.as_of:%Y-%m-%d}"
