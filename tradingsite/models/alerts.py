"""Alerts: what is wrong now, and since when."""

from django.db import models

from marketdata.models.wall_time import wall_time


class Alert(models.Model):
    """One condition on one object, from raised to cleared."""

    kind = models.CharField(max_length=40)
    object = models.CharField(max_length=80)
    message = models.CharField(max_length=200)
    raised_at = wall_time()
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-raised_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "object"),
                condition=models.Q(cleared_at__isnull=True),
                name="one_open_alert",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.object}"
