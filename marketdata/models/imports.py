"""The record of every file and row that came in or was refused, and of every changed past."""

from django.db import models

from marketdata.models.append_only import append_only
from marketdata.models.bars import TIMEFRAMES
from marketdata.models.instruments import Instrument
from marketdata.models.wall_time import wall_time


class DataImport(models.Model):
    """One file that was read: what it held, what became of its rows."""

    KINDS = tuple(
        (kind, kind) for kind in ("bars", "ticks", "quotes", "depth", "chain", "instruments")
    )

    kind = models.CharField(max_length=12, choices=KINDS, default="bars")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", null=True)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES, blank=True)
    source = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    rows = models.BigIntegerField(default=0)
    inserted = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    corrected = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    report = models.JSONField(default=dict, blank=True)
    created_at = wall_time()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.source}: {self.inserted} of {self.rows} rows"


class RejectedRow(models.Model):
    """A row that was refused, as it came, with the reason."""

    data_import = models.ForeignKey(DataImport, models.PROTECT, related_name="+")
    line = models.BigIntegerField()
    text = models.CharField(max_length=400)
    reason = models.CharField(max_length=120)

    class Meta:
        ordering = ("data_import", "line")
        constraints = (
            models.UniqueConstraint(fields=("data_import", "line"), name="rejected_row_key"),
        )

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class DataRevision(models.Model):
    """A new version of a series' past: bars were corrected, or a hole was filled.

    Whatever was scored or learned before `created_at` from bars of this span used the old one.
    """

    KINDS = (("corrected", "corrected"), ("backfilled", "backfilled"))

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    kind = models.CharField(max_length=10, choices=KINDS)
    first_opened_at = models.DateTimeField()
    last_opened_at = models.DateTimeField()
    bars = models.BigIntegerField()
    known_from = models.DateTimeField(help_text="Logical: it counts for instants after this one.")
    data_import = models.ForeignKey(
        *(DataImport, models.PROTECT),
        related_name="+",
        null=True,
        db_constraint=False,
        help_text="A sandbox holds the revision without the import.",
    )
    created_at = wall_time()

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("instrument", "timeframe", "id"), name="revision_series"),)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.bars} bars {self.kind}, {self.instrument_id} {self.timeframe}"
