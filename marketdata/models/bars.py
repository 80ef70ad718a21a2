"""Stored bars, and the record of every file and row that came in or was refused."""

from django.db import models
from django.db.models.functions import Greatest, Least

from domain.bars import Timeframe
from marketdata.models.instruments import Instrument
from marketdata.models.wall_time import wall_time

TIMEFRAMES = tuple((timeframe.value, timeframe.value) for timeframe in Timeframe)


class Bar(models.Model):
    """One bar, raw prices. The composite key is the narrowest table and the fastest load."""

    pk = models.CompositePrimaryKey("instrument_id", "timeframe", "opened_at")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField(null=True)

    class Meta:
        ordering = ("instrument", "timeframe", "opened_at")
        constraints = (
            # Bounds on both sides: NaN and infinity sort above every number.
            models.CheckConstraint(
                name="bar_prices",
                condition=models.Q(low__gt=0, high__lt=1e15)
                & models.Q(low__lte=Least("open", "close"))
                & models.Q(high__gte=Greatest("open", "close")),
            ),
            models.CheckConstraint(
                name="bar_volume",
                condition=models.Q(volume__isnull=True) | models.Q(volume__gte=0, volume__lt=1e18),
            ),
            models.CheckConstraint(
                name="bar_times", condition=models.Q(closed_at__gt=models.F("opened_at"))
            ),
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe} {self.opened_at:%Y-%m-%dT%H:%MZ}"


class BarImport(models.Model):
    """One file that was read: what it held, what became of its rows."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    source = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    rows = models.BigIntegerField()
    inserted = models.BigIntegerField()
    unchanged = models.BigIntegerField()
    corrected = models.BigIntegerField()
    rejected = models.BigIntegerField()
    created_at = wall_time()

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.source}: {self.inserted} of {self.rows} rows"


class RejectedBar(models.Model):
    """A row that was refused, as it came, with the reason."""

    bar_import = models.ForeignKey(BarImport, models.PROTECT, related_name="+")
    line = models.BigIntegerField()
    text = models.CharField(max_length=400)
    reason = models.CharField(max_length=120)

    class Meta:
        ordering = ("bar_import", "line")
        constraints = (
            models.UniqueConstraint(fields=("bar_import", "line"), name="rejected_bar_key"),
        )

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"
