"""Control: may this account trade; and the history of every halt."""

from django.db import models

from marketdata.models import Account
from marketdata.models.wall_time import wall_time
from risk.models.profiles import Profile


class Control(models.Model):
    """One row per account, read FOR SHARE by place and dispatch, FOR UPDATE by a halt."""

    STATES = (("active", "active"), ("halted", "halted"))

    account = models.OneToOneField(Account, models.PROTECT, primary_key=True, related_name="+")
    profile = models.ForeignKey(Profile, models.PROTECT, related_name="+")
    state = models.CharField(max_length=10, choices=STATES, default="active")
    halt_epoch = models.BigIntegerField(default=0)

    class Meta:
        ordering = ("account",)

    def __str__(self) -> str:
        return f"account {self.account_id}: {self.state}"


class Halt(models.Model):
    """From when to when an account was halted, by whom and why."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    from_at = wall_time()
    to_at = models.DateTimeField(null=True)
    actor = models.CharField(max_length=60)
    reason = models.CharField(max_length=200)

    class Meta:
        ordering = ("-from_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("account",), condition=models.Q(to_at__isnull=True), name="one_open_halt"
            ),
        )

    def __str__(self) -> str:
        return f"account {self.account_id} halted: {self.reason}"
