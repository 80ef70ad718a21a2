"""Incidents: what needs a person."""

from django.db import models

from marketdata.models import Account
from marketdata.models.wall_time import wall_time


class Incident(models.Model):
    """Something the engine could not settle by itself, until somebody resolves it."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=80)
    detail = models.JSONField(default=dict)
    raised_at = wall_time()
    resolved_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-raised_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("account", "kind", "subject"),
                condition=models.Q(resolved_at__isnull=True),
                name="one_open_incident",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"
