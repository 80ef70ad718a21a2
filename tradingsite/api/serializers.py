"""Rows and answers of the top floor."""

from typing import Any

from rest_framework import serializers

from marketdata.api.read_only import facts_of
from marketdata.indicator_facts import IndicatorFacts
from tradingsite.api.dataclass_serializers import serializer_for
from tradingsite.explain import Explanation
from tradingsite.models import Alert, Audit, IdempotencyKey, JobRun, JobSlot
from tradingsite.why import Why

AlertSerializer = facts_of(Alert)
AuditSerializer = facts_of(Audit)
# Neither caller nor answer: what was answered was for the caller alone.
IdempotencyKeySerializer = facts_of(
    IdempotencyKey, fields=("id", "key", "status", "content_type", "created_at")
)
JobRunSerializer = facts_of(JobRun)
JobSlotSerializer = facts_of(JobSlot)
ExplanationSerializer = serializer_for(Explanation)
IndicatorFactsSerializer = serializer_for(IndicatorFacts)
WhySerializer = serializer_for(Why)


class KillSwitchSerializer(serializers.Serializer[Any]):
    """Which way the kill switch is moved, and why."""

    action = serializers.ChoiceField(choices=("engage", "release"))
    reason = serializers.CharField(max_length=200)
