"""Put something before a person."""

from typing import Any

from django.db import connection

from domain.bus import publish
from domain.events import IncidentRaised
from execution.models import Incident


def raise_incident(*, account_id: int, kind: str, subject: str, detail: dict[str, Any]) -> int:
    """Return the id of the open incident of that kind and subject, raised unless it is.

    The caller holds the account's book: the audit chain's order is the book's.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('incident'), %s)", (account_id,))
    incident, created = Incident.objects.get_or_create(
        account_id=account_id,
        kind=kind,
        subject=subject,
        resolved_at=None,
        defaults={"detail": detail},
    )
    if created:
        publish(
            IncidentRaised(
                shard=account_id, actor="engine", action=kind, subject=subject, detail=detail
            )
        )
    return incident.pk
