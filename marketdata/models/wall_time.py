"""Wall time is the database's own clock, never a process's."""

from typing import Any

from django.db import models


class ClockTimestamp(models.Func):
    """`clock_timestamp()`: moves inside a transaction, so it orders what happens there."""

    function = "clock_timestamp"
    template = "%(function)s()"
    output_field = models.DateTimeField()


def wall_time(**options: Any) -> models.DateTimeField:
    """Return a column that the database fills with its clock when the row is written."""
    return models.DateTimeField(db_default=ClockTimestamp(), editable=False, **options)
