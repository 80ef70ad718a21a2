"""Stored bars, what they were before a correction, and what changed the past of a series."""

import pgtrigger
from django.db import models
from django.db.models.functions import Greatest, Least

from domain.bars import Timeframe
from marketdata.models.instruments import Instrument
from marketdata.models.providers import Provider
from marketdata.models.wall_time import wall_time

TIMEFRAMES = tuple((timeframe.value, timeframe.value) for timeframe in Timeframe)

# A correction through whatever door keeps the old values, and drops the packed copy of its time.
# It counts from the stream's logical now on; outside every stream, from when it became known.
KEEP_REVISION = """
IF (OLD.closed_at, OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume)
   IS NOT DISTINCT FROM (NEW.closed_at, NEW.open, NEW.high, NEW.low, NEW.close, NEW.volume) THEN
    RETURN NEW;
END IF;
NEW.version := OLD.version + 1;
INSERT INTO marketdata_barrevision (instrument_id, timeframe, opened_at, version, closed_at,
    open, high, low, close, volume, source_id, known_at, known_until)
SELECT OLD.instrument_id, OLD.timeframe, OLD.opened_at, OLD.version, OLD.closed_at,
    OLD.open, OLD.high, OLD.low, OLD.close, OLD.volume, OLD.source_id, OLD.known_at,
    coalesce(max(s.sealed_to), clock_timestamp())
FROM marketdata_stream s JOIN marketdata_stream_instruments d ON d.stream_id = s.id
WHERE d.instrument_id = OLD.instrument_id AND OLD.timeframe = ANY(s.timeframes);
DELETE FROM marketdata_barchunk c WHERE c.instrument_id = OLD.instrument_id
    AND c.timeframe = OLD.timeframe AND c.closed_to > OLD.opened_at;
RETURN NEW;
"""


class Bar(models.Model):
    """One bar, raw prices. The composite key is the narrowest table and the fastest load.

    The table is partitioned by timeframe and, intraday, by year; it has no foreign keys in the
    database, for they would cost a load more than all its checks (an invariant looks instead).
    """

    pk = models.CompositePrimaryKey("instrument_id", "timeframe", "opened_at")
    instrument = models.ForeignKey(
        Instrument, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField(null=True)
    source = models.ForeignKey(
        *(Provider, models.PROTECT),
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
        help_text="Who delivered it; none: a file.",
    )
    version = models.SmallIntegerField(default=1, db_default=1)
    known_at = models.DateTimeField(
        null=True,
        help_text="Set where the bar came behind its stream's seal: it counts in windows of later"
        " instants only, and never in marks, fills or replays.",
    )

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
        triggers = (
            pgtrigger.Trigger(
                name="keep_revision",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func=KEEP_REVISION,
            ),
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe} {self.opened_at:%Y-%m-%dT%H:%MZ}"


class BarRevision(models.Model):
    """The values a bar had before it was corrected, written by a trigger of the bars' table."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", db_index=False)
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    opened_at = models.DateTimeField()
    version = models.SmallIntegerField()
    closed_at = models.DateTimeField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField(null=True)
    source = models.ForeignKey(
        Provider, models.PROTECT, related_name="+", null=True, db_constraint=False
    )
    known_at = models.DateTimeField(null=True)
    known_until = models.DateTimeField(help_text="Logical: these values held up to here.")
    replaced_at = wall_time()

    class Meta:
        ordering = ("-replaced_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("instrument", "timeframe", "opened_at", "version"), name="bar_revision_key"
            ),
        )

    def __str__(self) -> str:
        return (
            f"{self.instrument_id} {self.timeframe} {self.opened_at:%Y-%m-%d %H:%M} v{self.version}"
        )


class BarChunk(models.Model):
    """Bars packed for reading: a copy that may be dropped at any moment.

    The chunks of a series are always its oldest bars without a break; what changes a bar drops
    the chunk that holds it and all later ones.
    """

    pk = models.CompositePrimaryKey("instrument_id", "timeframe", "opened_from")
    instrument = models.ForeignKey(
        Instrument, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    opened_from = models.DateTimeField()
    closed_to = models.DateTimeField()
    bars = models.IntegerField()
    payload = models.BinaryField()

    class Meta:
        ordering = ("instrument", "timeframe", "opened_from")

    def __str__(self) -> str:
        return f"{self.bars} bars from {self.opened_from:%Y-%m-%dT%H:%MZ}"
