"""Weight versions: immutable; only their state moves."""

import pgtrigger
from django.db import models

from domain.signals import WeightSet
from marketdata.models import Instrument
from marketdata.models.wall_time import wall_time
from mlweights.models.training_runs import TrainingRun

MOVABLE = ("state", "active", "valid_from")


class WeightVersion(models.Model):
    """Weights and thresholds for one instrument and timeframe; '' and null mean any."""

    STATES = (("candidate", "candidate"), ("active", "active"), ("retired", "retired"))

    label = models.CharField(max_length=100, unique=True, help_text="Natural name, in hashes.")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", null=True)
    group = models.CharField(max_length=40, blank=True, default="")
    timeframe = models.CharField(max_length=3, blank=True, default="")
    regime = models.CharField(max_length=20, blank=True, default="")
    weights = models.JSONField(help_text="[[indicator, weight], …] in scoring order.")
    buy_threshold = models.BigIntegerField(help_text="In 1e-9.")
    sell_threshold = models.BigIntegerField(help_text="In 1e-9.")
    optimizer = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    parent = models.ForeignKey("self", models.PROTECT, related_name="+", null=True)
    training_run = models.ForeignKey(TrainingRun, models.PROTECT, related_name="+", null=True)
    data_hash = models.CharField(max_length=64, blank=True)
    code_version = models.CharField(max_length=40, blank=True)
    measures = models.JSONField(default=dict)
    author = models.CharField(max_length=60, default="system")
    state = models.CharField(max_length=10, choices=STATES, default="candidate")
    active = models.BooleanField(default=False)
    valid_from = models.DateTimeField(
        null=True, help_text="First closing instant it decides; null until activated."
    )
    created_at = wall_time()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instrument", "group", "timeframe", "regime"),
                condition=models.Q(active=True),
                nulls_distinct=False,
                name="one_active_weight_version",
            ),
            models.CheckConstraint(
                condition=models.Q(active=False) | models.Q(valid_from__isnull=False),
                name="active_weight_version_is_valid",
            ),
        )
        triggers = (
            pgtrigger.ReadOnly(name="immutable", exclude=list(MOVABLE)),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        )

    def __str__(self) -> str:
        return self.label

    def weight_set(self) -> WeightSet:
        """Return the plain value that scores are made with."""
        return WeightSet(
            names=tuple(name for name, _ in self.weights),
            weights=tuple(weight for _, weight in self.weights),
            buy_threshold=self.buy_threshold,
            sell_threshold=self.sell_threshold,
        )
