"""The audit chain: each row's hash covers the one before it."""

from django.db import models

from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time


class Audit(models.Model):
    """Who did what; `shard` is an account's id, 0 for the desk."""

    shard = models.BigIntegerField()
    seq = models.BigIntegerField()
    actor = models.CharField(max_length=60)
    action = models.CharField(max_length=40)
    subject = models.CharField(max_length=160)
    body = models.TextField(help_text="Canonical JSON of the fact.")
    prev = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    created_at = wall_time()

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "audit"
        constraints = (models.UniqueConstraint(fields=("shard", "seq"), name="audit_key"),)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.shard}/{self.seq} {self.action} {self.subject}"
