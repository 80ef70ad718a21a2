"""Alerts: raised once, cleared once, however often either is said."""

from django.db import connection

from marketdata.models.wall_time import ClockTimestamp
from tradingsite.models import Alert


def raise_alert(*, kind: str, object: str, message: str) -> bool:  # noqa: A002 - the column's name
    """Open the alert unless it is open already; return whether it is new."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO tradingsite_alert (kind, object, message) VALUES (%s, %s, %s)"
            " ON CONFLICT (kind, object) WHERE cleared_at IS NULL DO NOTHING",
            [kind[:40], object[:80], message[:200]],
        )
        return cursor.rowcount == 1


def clear_alert(*, kind: str, object: str) -> bool:  # noqa: A002 - the column's name
    """Close the alert; return whether it was open."""
    opened = Alert.objects.filter(kind=kind[:40], object=object[:80], cleared_at=None)
    return opened.update(cleared_at=ClockTimestamp()) == 1
