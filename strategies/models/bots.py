"""Bots: strategies at work, and the proofs that let them out of draft."""

from django.db import models

from marketdata.models import Account, Instrument
from marketdata.models.append_only import append_only
from marketdata.models.bars import TIMEFRAMES
from marketdata.models.wall_time import wall_time


class Bot(models.Model):
    """A strategy at work: `strategy` is its registered name."""

    # paused: open positions are managed, nothing new is entered
    STATES = (("running", "running"), ("paused", "paused"), ("stopped", "stopped"))
    STAGES = (
        ("draft", "draft"),
        ("backtested", "backtested"),
        ("paper", "paper"),
        ("live", "live"),
    )

    name = models.SlugField(max_length=60, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    strategy = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict, blank=True)
    instruments = models.ManyToManyField(Instrument, related_name="+")
    timeframe = models.CharField(max_length=3, choices=TIMEFRAMES)
    capital = models.DecimalField(
        max_digits=24,
        decimal_places=8,
        null=True,
        blank=True,
        help_text="What it sizes its entries by, in the account's currency; empty: all equity.",
    )
    stage = models.CharField(max_length=10, choices=STAGES, default="draft", db_default="draft")
    state = models.CharField(max_length=10, choices=STATES, default="stopped")
    created_at = wall_time()

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(capital__isnull=True)
                | models.Q(capital__gt=0, capital__lt=10**15),
                name="bot_capital",
            ),
            models.CheckConstraint(
                condition=models.Q(state="stopped") | ~models.Q(stage="draft"),
                name="draft_bot_stands_still",
            ),
        )

    def __str__(self) -> str:
        return self.name


class BotProof(models.Model):
    """One check of a bot over stored bars: did any decision depend on what came after it."""

    bot = models.ForeignKey(Bot, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, default="look_ahead")
    fingerprint = models.CharField(
        max_length=64, help_text="Strategy, parameters, instruments, timeframe and code checked."
    )
    passed = models.BooleanField()
    bars = models.PositiveIntegerField()
    cuts = models.PositiveIntegerField()
    first_difference = models.CharField(max_length=300, blank=True, default="")
    created_at = wall_time()

    class Meta:
        ordering = ("-created_at", "-id")
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.bot_id} {self.kind} {'passed' if self.passed else 'failed'}"
