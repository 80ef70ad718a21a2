"""What can be traded, and the grid its prices lie on."""

from django.db import models

from marketdata.models.wall_time import wall_time


class Instrument(models.Model):
    """One tradable thing, or an index, at one venue."""

    KINDS = tuple(
        (kind, kind) for kind in ("equity", "etf", "index", "future", "option", "crypto", "fx")
    )
    RIGHTS = (("C", "call"), ("P", "put"))

    venue = models.CharField(max_length=20)
    symbol = models.CharField(max_length=40)
    kind = models.CharField(max_length=10, choices=KINDS, default="equity")
    currency = models.CharField(max_length=10, default="USD")
    tick_size = models.DecimalField(max_digits=20, decimal_places=10)
    lot_size = models.DecimalField(max_digits=20, decimal_places=10)
    multiplier = models.DecimalField(max_digits=20, decimal_places=10, default=1)
    calendar = models.CharField(
        max_length=40,
        blank=True,
        help_text="24/7, FX or an exchange such as NYSE; empty: unknown, so no gap is known.",
    )
    underlying = models.ForeignKey("self", models.PROTECT, related_name="+", null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    strike = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    right = models.CharField(max_length=1, choices=RIGHTS, blank=True)
    is_active = models.BooleanField(default=True, help_text="Still listed.")
    created_at = wall_time()

    class Meta:
        ordering = ("venue", "symbol")
        constraints = (
            models.UniqueConstraint(fields=("venue", "symbol"), name="instrument_key"),
            models.CheckConstraint(
                condition=models.Q(tick_size__gt=0, tick_size__lt=10**9)
                & models.Q(lot_size__gt=0, lot_size__lt=10**9)
                & models.Q(multiplier__gt=0, multiplier__lt=10**9),
                name="instrument_grid",
            ),
            models.CheckConstraint(
                name="instrument_option_terms",
                condition=~models.Q(kind="option")
                | models.Q(
                    strike__gt=0,
                    strike__lt=10**12,
                    right__in=("C", "P"),
                    expires_at__isnull=False,
                    underlying__isnull=False,
                ),
            ),
        )

    def __str__(self) -> str:
        return f"{self.venue}:{self.symbol}"
