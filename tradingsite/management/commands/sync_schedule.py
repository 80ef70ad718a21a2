"""Write the shipped beat jobs; what a person changed stays changed."""

from typing import Any

from django_celery_beat.models import IntervalSchedule, PeriodicTask

from marketdata.management.desk_command import DeskCommand
from tradingsite.beat_schedule import BEAT_SCHEDULE


class Command(DeskCommand):
    """Adds jobs that are missing and refreshes their descriptions; deletes nothing."""

    help = "Write the shipped beat jobs; edits made in the admin are kept."

    def answer(self, **_: Any) -> dict[str, Any]:
        """Return how many jobs there are and how many were added."""
        added = 0
        for job in BEAT_SCHEDULE:
            interval, _created = IntervalSchedule.objects.get_or_create(
                every=job.every_seconds, period=IntervalSchedule.SECONDS
            )
            task, created = PeriodicTask.objects.get_or_create(
                name=job.task,
                defaults={
                    "task": job.task,
                    "interval": interval,
                    "queue": job.queue,
                    "expire_seconds": max(10, 2 * job.every_seconds),
                    "description": job.why,
                },
            )
            if not created and task.description != job.why:
                PeriodicTask.objects.filter(pk=task.pk).update(description=job.why)
            added += created
        return {"jobs": len(BEAT_SCHEDULE), "added": added}
