"""What arrives between bars: ticks, quotes, order book messages, option quotes.

All of them are append-mostly, large, and partitioned by month of their time; keys are natural, so
a second load of the same data changes nothing. No foreign keys in the database, as with bars.
"""

from typing import Any

from django.db import models

from marketdata.models.bars import TIMEFRAMES
from marketdata.models.instruments import Instrument
from marketdata.models.providers import Provider

SIDES = ((1, "buy"), (-1, "sell"), (0, "unknown"))


def _instrument() -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        Instrument, models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )


def _source() -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        *(Provider, models.PROTECT),
        related_name="+",
        null=True,
        db_index=False,
        db_constraint=False,
    )


class Tick(models.Model):
    """One trade; `seq` numbers those of one instant in order of arrival."""

    pk = models.CompositePrimaryKey("instrument_id", "ts", "seq")
    instrument = _instrument()
    ts = models.DateTimeField()
    seq = models.IntegerField()
    price = models.FloatField()
    size = models.FloatField(null=True)
    side = models.SmallIntegerField(choices=SIDES, help_text="Of the aggressor.")
    exchange = models.CharField(max_length=8, blank=True)
    cond = models.CharField(max_length=16, blank=True)
    is_suspicious = models.BooleanField(default=False)
    trade_id = models.BigIntegerField(null=True)
    source = _source()

    class Meta:
        ordering = ("instrument", "ts", "seq")
        constraints = (
            models.CheckConstraint(
                name="tick_values",
                condition=models.Q(price__gt=0, price__lt=1e15)
                & (models.Q(size__isnull=True) | models.Q(size__gte=0, size__lt=1e18)),
            ),
        )

    def __str__(self) -> str:
        return f"{self.price} at {self.ts}"


class Quote(models.Model):
    """The best bid and ask of one exchange; an absent side is null."""

    pk = models.CompositePrimaryKey("instrument_id", "ts", "seq")
    instrument = _instrument()
    ts = models.DateTimeField()
    seq = models.IntegerField()
    bid = models.FloatField(null=True)
    bid_size = models.FloatField(null=True)
    ask = models.FloatField(null=True)
    ask_size = models.FloatField(null=True)
    exchange = models.CharField(max_length=8, blank=True)
    cond = models.CharField(max_length=16, blank=True)
    is_suspicious = models.BooleanField(default=False)
    source = _source()

    class Meta:
        ordering = ("instrument", "ts", "seq")

    def __str__(self) -> str:
        return f"{self.bid}/{self.ask} at {self.ts}"


class QuoteBar(models.Model):
    """Bid and ask over one bar."""

    pk = models.CompositePrimaryKey("instrument_id", "timeframe", "opened_at")
    instrument = _instrument()
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField()
    bid_open = models.FloatField()
    bid_high = models.FloatField()
    bid_low = models.FloatField()
    bid_close = models.FloatField()
    bid_size = models.FloatField(null=True)
    ask_open = models.FloatField()
    ask_high = models.FloatField()
    ask_low = models.FloatField()
    ask_close = models.FloatField()
    ask_size = models.FloatField(null=True)
    source = _source()

    class Meta:
        ordering = ("instrument", "timeframe", "opened_at")

    def __str__(self) -> str:
        return f"{self.bid_close}/{self.ask_close} from {self.opened_at}"


class DepthLevel(models.Model):
    """One changed price level of an aggregated book (L2); quantity 0 deletes it."""

    SIDES = ((1, "bid"), (-1, "ask"))

    pk = models.CompositePrimaryKey("instrument_id", "ts", "seq", "place")
    instrument = _instrument()
    ts = models.DateTimeField()
    seq = models.BigIntegerField(help_text="The message it came in.")
    place = models.IntegerField(help_text="Its place in the message.")
    is_snapshot = models.BooleanField()
    side = models.SmallIntegerField(choices=SIDES)
    price = models.FloatField()
    quantity = models.FloatField()
    update_id = models.BigIntegerField(null=True)
    source = _source()

    class Meta:
        ordering = ("instrument", "ts", "seq", "place")

    def __str__(self) -> str:
        return f"{self.quantity} at {self.price}"


class BookMessage(models.Model):
    """One message about one order of a full book (L3)."""

    ACTIONS = (
        ("A", "add"),
        ("C", "cancel"),
        ("M", "modify"),
        ("T", "trade"),
        ("F", "fill"),
        ("R", "clear"),
    )
    SIDES = ((1, "bid"), (-1, "ask"), (0, "none"))

    pk = models.CompositePrimaryKey("instrument_id", "ts", "seq")
    instrument = _instrument()
    ts = models.DateTimeField()
    seq = models.IntegerField(help_text="Numbers the messages of one instant as they came.")
    received_at = models.DateTimeField(null=True)
    action = models.CharField(max_length=1, choices=ACTIONS)
    side = models.SmallIntegerField(choices=SIDES)
    price = models.FloatField(null=True)
    size = models.FloatField()
    order_id = models.BigIntegerField()
    flags = models.SmallIntegerField()
    venue_seq = models.BigIntegerField(null=True)
    source = _source()

    class Meta:
        ordering = ("instrument", "ts", "seq")

    def __str__(self) -> str:
        return f"{self.action} {self.size} at {self.price}"


class OptionQuote(models.Model):
    """One contract as a chain showed it; usable from `observed_at`."""

    pk = models.CompositePrimaryKey("instrument_id", "observed_at")
    instrument = _instrument()
    observed_at = models.DateTimeField()
    bid = models.FloatField(null=True)
    bid_size = models.FloatField(null=True)
    ask = models.FloatField(null=True)
    ask_size = models.FloatField(null=True)
    last = models.FloatField(null=True)
    volume = models.FloatField(null=True)
    open_interest = models.FloatField(null=True)
    open_interest_change = models.FloatField(null=True)
    implied_volatility = models.FloatField(null=True, help_text="A fraction, as the venue says.")
    source = _source()

    class Meta:
        ordering = ("instrument", "observed_at")

    def __str__(self) -> str:
        return f"{self.bid}/{self.ask} at {self.observed_at}"


class OpenInterest(models.Model):
    """Contracts that are open, where the number changed."""

    pk = models.CompositePrimaryKey("instrument_id", "observed_at")
    instrument = _instrument()
    observed_at = models.DateTimeField()
    open_interest = models.FloatField()
    source = _source()

    class Meta:
        ordering = ("instrument", "observed_at")

    def __str__(self) -> str:
        return f"{self.open_interest} at {self.observed_at}"


class Retention(models.Model):
    """How long the rows of a partitioned table are kept; whole partitions are dropped."""

    table = models.CharField(max_length=60, unique=True)
    keep_days = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: for ever.")

    class Meta:
        ordering = ("table",)

    def __str__(self) -> str:
        return f"{self.table}: {self.keep_days or 'for ever'}"
