"""The outbox: what must still be said to a venue."""

from django.db import models

from execution.models.orders import Order
from marketdata.models.wall_time import wall_time


class Outbox(models.Model):
    """One message for a venue; `epoch` fences off a dispatcher that lost its lease."""

    ACTIONS = (("submit", "submit"), ("cancel", "cancel"))

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", db_index=False)
    action = models.CharField(max_length=10, choices=ACTIONS)
    issue_no = models.SmallIntegerField(default=0)
    epoch = models.BigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)
    done = models.BooleanField(default=False)
    dead = models.BooleanField(default=False)
    reason = models.CharField(max_length=200, blank=True)
    created_at = wall_time()

    class Meta:
        ordering = ("id",)
        verbose_name_plural = "outbox"
        constraints = (
            models.UniqueConstraint(fields=("order", "action", "issue_no"), name="outbox_key"),
        )
        indexes = (
            models.Index(
                fields=("id",), condition=models.Q(done=False, dead=False), name="outbox_due"
            ),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.order_id}"
