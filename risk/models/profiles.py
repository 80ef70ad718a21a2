"""Profiles: named sets of limits."""

from django.db import models


class Profile(models.Model):
    """Limits as whole 1e-9 fractions of equity, and how old data may be."""

    name = models.CharField(max_length=40, unique=True)
    position_e9 = models.BigIntegerField(
        default=10**8, help_text="Worth of one instrument, as 1e-9 of equity: 10 %."
    )
    day_loss_e9 = models.BigIntegerField(
        default=5 * 10**7, help_text="Fall since the UTC day began: 5 %."
    )
    drawdown_e9 = models.BigIntegerField(
        default=15 * 10**7, help_text="Fall of marked equity from its peak: 15 %."
    )
    stale_bars = models.IntegerField(
        default=3, help_text="Data may be this many timeframes old when decided on."
    )

    class Meta:
        ordering = ("name",)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(position_e9__gt=0, position_e9__lte=10**9)
                & models.Q(day_loss_e9__gt=0, day_loss_e9__lte=10**9)
                & models.Q(drawdown_e9__gt=0, drawdown_e9__lte=10**9)
                & models.Q(stale_bars__gt=0),
                name="profile_limits",
            ),
        )

    def __str__(self) -> str:
        return self.name
