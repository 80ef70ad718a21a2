"""What is known to be wrong with the data: missing bars, and bars that look odd."""

from django.db import models

from marketdata.models.bars import TIMEFRAMES
from marketdata.models.instruments import Instrument
from marketdata.models.wall_time import wall_time


class DataGap(models.Model):
    """A run of bars that the calendar expects and the record lacks.

    While open it blocks every score whose inputs reach over it; once settled, scores of later
    instants than `settled_to`.
    """

    STATES = (
        ("open", "open"),
        ("filled", "filled"),
        ("absent", "absent at every provider"),
        ("accepted", "accepted by a person"),
    )

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    first_opened_at = models.DateTimeField(help_text="Opening instant of the first missing bar.")
    last_opened_at = models.DateTimeField(help_text="Opening instant of the last missing bar.")
    bars = models.BigIntegerField(help_text="How many expected bars are missing.")
    state = models.CharField(max_length=10, choices=STATES, default="open")
    known_from = models.DateTimeField(help_text="Close of the first missing bar.")
    settled_to = models.DateTimeField(
        null=True, blank=True, help_text="Logical: instants after this one are not blocked."
    )
    settled_by = models.CharField(max_length=60, blank=True)
    attempts = models.IntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    found_at = wall_time()

    class Meta:
        ordering = ("-first_opened_at", "instrument")
        constraints = (
            models.UniqueConstraint(
                fields=("instrument", "timeframe", "first_opened_at"), name="data_gap_key"
            ),
            models.CheckConstraint(
                name="data_gap_span",
                condition=models.Q(
                    bars__gt=0,
                    last_opened_at__gte=models.F("first_opened_at"),
                    known_from__gt=models.F("first_opened_at"),
                ),
            ),
            models.CheckConstraint(
                name="data_gap_settled",
                condition=models.Q(state="open", settled_to__isnull=True)
                | (~models.Q(state="open") & models.Q(settled_to__isnull=False)),
            ),
        )
        indexes = (
            models.Index(fields=("state",), condition=models.Q(state="open"), name="data_gap_open"),
        )

    def __str__(self) -> str:
        return f"{self.bars} bars from {self.first_opened_at:%Y-%m-%dT%H:%MZ}, {self.state}"


class DataFinding(models.Model):
    """A stored bar, or a run of them, that looks odd: shown to a person, changes nothing."""

    KINDS = (
        ("outlier", "outlier"),
        ("stuck", "stuck price"),
        ("zero_volume", "no volume"),
        ("split_suspected", "split suspected"),
        ("off_session", "outside the session"),
    )
    STATES = (("open", "open"), ("accepted", "accepted"), ("dismissed", "dismissed"))

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    opened_at = models.DateTimeField()
    kind = models.CharField(max_length=16, choices=KINDS)
    bars = models.BigIntegerField(default=1)
    value = models.FloatField(null=True)
    note = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=10, choices=STATES, default="open")
    found_at = wall_time()

    class Meta:
        ordering = ("-opened_at", "instrument")
        constraints = (
            models.UniqueConstraint(
                fields=("instrument", "timeframe", "opened_at", "kind"), name="data_finding_key"
            ),
            models.CheckConstraint(condition=models.Q(bars__gt=0), name="data_finding_bars"),
        )

    def __str__(self) -> str:
        return f"{self.kind} at {self.opened_at:%Y-%m-%dT%H:%MZ}: {self.note}"
