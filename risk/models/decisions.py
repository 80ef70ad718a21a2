"""Decisions: the answer to every signal, with each rule's input and limit."""

from django.db import models

from marketdata.models import Account
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time
from strategies.models import Signal


class Decision(models.Model):
    """One verdict on one signal; `checks` lists rule, value, limit and reason of each rule."""

    signal = models.OneToOneField(Signal, models.PROTECT, related_name="+")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    closed_at = models.DateTimeField()
    approved = models.BooleanField()
    reason = models.CharField(max_length=200, blank=True)
    requested_quantity = models.DecimalField(max_digits=30, decimal_places=10)
    quantity = models.DecimalField(max_digits=30, decimal_places=10)
    price = models.DecimalField(max_digits=30, decimal_places=10)
    equity = models.DecimalField(max_digits=30, decimal_places=8)
    used_before = models.DecimalField(max_digits=30, decimal_places=8)
    requested = models.DecimalField(max_digits=30, decimal_places=8)
    limit_value = models.DecimalField(max_digits=30, decimal_places=8)
    price_age_ms = models.BigIntegerField()
    price_age_limit_ms = models.BigIntegerField()
    checks = models.JSONField()
    created_at = wall_time()

    class Meta:
        ordering = ("-closed_at", "-id")
        indexes = (models.Index(fields=("account", "closed_at"), name="decision_by_account"),)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"signal {self.signal_id}: {'approved' if self.approved else self.reason}"
