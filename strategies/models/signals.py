"""Signals and holds: what each bot wanted at each instant."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from marketdata.models import Account, Instrument
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time
from mlweights.models import Score
from strategies.models.bots import Bot


class Signal(models.Model):
    """Every intent to trade starts here: a bot's, an exit's, a person's, a flatten's."""

    SOURCES = (("bot", "bot"), ("exit", "exit"), ("person", "person"), ("flatten", "flatten"))
    SIDES = ((1, "buy"), (-1, "sell"))
    STRENGTHS = (("weak", "weak"), ("medium", "medium"), ("strong", "strong"))

    key = models.CharField(max_length=160, unique=True, help_text="Natural key, e.g. bot:…")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    bot = models.ForeignKey(Bot, models.PROTECT, related_name="+", null=True)
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    timeframe = models.CharField(max_length=3)
    closed_at = models.DateTimeField()
    source = models.CharField(max_length=10, choices=SOURCES)
    side = models.SmallIntegerField(choices=SIDES)
    reduce_only = models.BooleanField(default=False)
    score = models.ForeignKey(Score, models.PROTECT, related_name="+", null=True)
    strength = models.CharField(max_length=8, choices=STRENGTHS, blank=True, default="")
    buy_threshold = models.BigIntegerField(null=True, help_text="As it was then, in 1e-9.")
    sell_threshold = models.BigIntegerField(null=True, help_text="As it was then, in 1e-9.")
    reason = models.CharField(max_length=200)
    created_at = wall_time()

    class Meta:
        ordering = ("-closed_at", "-id")
        constraints = (
            models.CheckConstraint(condition=models.Q(side__in=(1, -1)), name="signal_side"),
        )
        indexes = (models.Index(fields=("account", "closed_at"), name="signal_by_account"),)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return self.key


class Hold(models.Model):
    """What a bot looked at and left alone at one instant: one row, arrays in bot order."""

    bot = models.ForeignKey(Bot, models.PROTECT, related_name="+", db_index=False)
    closed_at = models.DateTimeField()
    symbols = ArrayField(models.CharField(max_length=61))
    scores = ArrayField(models.BigIntegerField(null=True), help_text="The score rows, by id.")
    values = ArrayField(models.DecimalField(max_digits=10, decimal_places=9, null=True))
    reasons = ArrayField(models.CharField(max_length=80))
    created_at = wall_time()

    class Meta:
        ordering = ("-closed_at", "bot")
        constraints = (models.UniqueConstraint(fields=("bot", "closed_at"), name="hold_key"),)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.bot_id} {self.closed_at:%Y-%m-%d}: {len(self.symbols)} held"
