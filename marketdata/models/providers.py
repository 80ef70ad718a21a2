"""Providers: who can deliver which data, in which order they are asked, and how they are."""

from django.core.exceptions import ValidationError
from django.db import models

from domain.errors import PlumblineError
from marketdata.feeds.registry import check_options
from marketdata.models.instruments import Instrument
from marketdata.models.wall_time import wall_time


class Provider(models.Model):
    """One source of market data: a registered feed with its options, its budget and its health."""

    STATES = (("idle", "idle"), ("connected", "connected"), ("mute", "mute"), ("down", "down"))

    name = models.CharField(max_length=60, unique=True)
    feed = models.CharField(max_length=40, help_text="Registered feed.")
    priority = models.SmallIntegerField(default=100, help_text="The lowest number is asked first.")
    is_enabled = models.BooleanField(default=True)
    options = models.JSONField(
        default=dict, blank=True, help_text="What the feed needs, such as base_url. No secrets."
    )
    requests_per_second = models.FloatField(
        null=True, blank=True, help_text="Shared by all processes; empty: no limit."
    )
    burst = models.IntegerField(default=1, help_text="Requests that may go out at once.")
    mute_after_seconds = models.FloatField(
        default=10.0, help_text="Connected and silent for so long while the market is open: mute."
    )
    state = models.CharField(max_length=10, choices=STATES, default="idle", editable=False)
    reason = models.CharField(max_length=300, blank=True, editable=False)
    last_message_at = models.DateTimeField(null=True, editable=False)
    state_at = wall_time()

    class Meta:
        ordering = ("priority", "name")
        constraints = (
            models.CheckConstraint(
                name="provider_budget",
                condition=(
                    models.Q(requests_per_second__isnull=True)
                    | models.Q(requests_per_second__gt=0, requests_per_second__lt=1e6)
                )
                & models.Q(burst__gt=0, mute_after_seconds__gt=0, mute_after_seconds__lt=1e6),
            ),
        )

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Refuse an unknown feed and options that do not fit it."""
        try:
            check_options(self.feed, self.options)
        except PlumblineError as error:
            raise ValidationError(str(error)) from None


class ProviderSymbol(models.Model):
    """What a provider calls an instrument."""

    provider = models.ForeignKey(Provider, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    symbol = models.CharField(max_length=60)

    class Meta:
        ordering = ("provider", "symbol")
        constraints = (
            models.UniqueConstraint(fields=("provider", "symbol"), name="provider_symbol_key"),
            models.UniqueConstraint(
                fields=("provider", "instrument"), name="provider_symbol_of_instrument"
            ),
        )

    def __str__(self) -> str:
        return f"{self.symbol} at {self.provider_id}"
