"""Streams: who delivers bars, and up to which instant everything has arrived."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from marketdata.models.append_only import append_only
from marketdata.models.bars import TIMEFRAMES
from marketdata.models.instruments import Instrument
from marketdata.models.providers import Provider
from marketdata.models.wall_time import wall_time


class Stream(models.Model):
    """One ordered delivery of bars; `sealed_to` is the desk's logical now."""

    KINDS = (("replay", "replay"), ("live", "live"))

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=KINDS)
    feed = models.CharField(max_length=40, help_text="Registered feed that delivers the bars.")
    timeframes = ArrayField(models.CharField(max_length=3, choices=TIMEFRAMES))
    instruments = models.ManyToManyField(Instrument, related_name="+", blank=True)
    sealed_to = models.DateTimeField(help_text="Nothing after this instant is known yet.")
    fast_until = models.DateTimeField(
        null=True, blank=True, help_text="Replay: up to here as fast as the desk keeps up."
    )
    ends_at = models.DateTimeField(null=True, blank=True)
    pace_seconds = models.FloatField(
        default=10.0, help_text="Replay: seconds from one closing instant to the next."
    )
    is_finished = models.BooleanField(default=False)
    providers = models.ManyToManyField(
        Provider, related_name="+", blank=True, help_text="Live: asked by their priority."
    )
    grace_seconds = models.FloatField(
        default=2.0, help_text="Live: how long an instant waits for a bar that is missing."
    )
    keep_ticks = models.BooleanField(default=False, help_text="Live: store every tick.")
    tick_cursor = models.CharField(max_length=40, blank=True, editable=False)
    data_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_mute = models.BooleanField(default=False, editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = wall_time()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Seal(models.Model):
    """The bars of `closed_at` are complete: decisions may be taken on them."""

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+", db_index=False)
    closed_at = models.DateTimeField()
    bars = models.IntegerField()
    lag_ms = models.BigIntegerField(help_text="Arrival after the close; 0 on a replay.")
    sealed_at = wall_time()

    class Meta:
        ordering = ("stream", "-closed_at")
        constraints = (models.UniqueConstraint(fields=("stream", "closed_at"), name="seal_key"),)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.stream_id} {self.closed_at:%Y-%m-%dT%H:%MZ}"


class LateBar(models.Model):
    """A bar that came after its instant was sealed: what arrived, and when."""

    stream = models.ForeignKey(Stream, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField()
    open = models.FloatField()
    high = models.FloatField()
    low = models.FloatField()
    close = models.FloatField()
    volume = models.FloatField(null=True)
    received_at = wall_time()

    class Meta:
        ordering = ("-received_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("stream", "instrument", "timeframe", "opened_at"), name="late_bar_key"
            ),
        )

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.timeframe} {self.opened_at:%Y-%m-%dT%H:%MZ} late"
