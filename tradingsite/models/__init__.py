"""Tables that belong to no trading floor: audit, jobs, idempotency, alerts."""

from tradingsite.models.alerts import Alert
from tradingsite.models.audit import Audit
from tradingsite.models.idempotency import IdempotencyKey
from tradingsite.models.jobs import JobRun, JobSlot

__all__ = ["Alert", "Audit", "IdempotencyKey", "JobRun", "JobSlot"]
