"""Idempotency keys: the same request twice has one effect and one answer."""

from django.db import models

from marketdata.models.wall_time import wall_time


class IdempotencyKey(models.Model):
    """A key somebody sent, what it asked for, and what was answered."""

    caller = models.CharField(max_length=64, help_text="Hash of the credentials.")
    key = models.CharField(max_length=120)
    request_hash = models.CharField(max_length=64)
    status = models.IntegerField()
    content_type = models.CharField(max_length=80)
    answer = models.BinaryField()
    created_at = wall_time()

    class Meta:
        ordering = ("-created_at",)
        constraints = (models.UniqueConstraint(fields=("caller", "key"), name="idempotency_key"),)

    def __str__(self) -> str:
        return self.key
