"""Scheduled jobs: one run per slot, and what each run did."""

from django.db import models

from marketdata.models.wall_time import wall_time


class JobSlot(models.Model):
    """Whoever inserts the slot runs the job; everybody else leaves."""

    name = models.CharField(max_length=40)
    slot = models.DateTimeField()
    created_at = wall_time()

    class Meta:
        ordering = ("-slot",)
        constraints = (models.UniqueConstraint(fields=("name", "slot"), name="job_slot_key"),)

    def __str__(self) -> str:
        return f"{self.name} {self.slot:%Y-%m-%dT%H:%MZ}"


class JobRun(models.Model):
    """One run of a job that is worth remembering."""

    STATES = (("running", "running"), ("done", "done"), ("failed", "failed"))

    name = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=STATES, default="running")
    detail = models.JSONField(default=dict)
    started_at = wall_time()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
