"""The ledger: every movement twice, balanced per asset, never edited."""

import pgtrigger
from django.db import models

from marketdata.models import Account, Instrument
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time
from strategies.models import Bot

BALANCED = """
    IF EXISTS (
        SELECT 1 FROM execution_ledgerentry e
        WHERE e.txn_id = NEW.txn_id GROUP BY e.asset HAVING sum(e.amount) <> 0
    ) THEN
        RAISE EXCEPTION 'ledger transaction % is not balanced', NEW.txn_id;
    END IF;
    RETURN NULL;
"""


class LedgerTxn(models.Model):
    """One business fact: a deposit, a fill, a split."""

    ref = models.CharField(max_length=140, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    booked_for = models.DateTimeField(help_text="Logical time of the fact.")
    created_at = wall_time()

    class Meta:
        ordering = ("-id",)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return self.ref


class LedgerEntry(models.Model):
    """One side of a movement; cash and positions are sums of these."""

    BOOKS = (
        ("cash", "cash"),
        ("position", "position"),
        ("market", "market"),
        ("fees", "fees"),
        ("capital", "capital"),
    )

    txn = models.ForeignKey(LedgerTxn, models.PROTECT, related_name="+")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    book = models.CharField(max_length=10, choices=BOOKS)
    asset = models.CharField(max_length=61, help_text="A currency, or VENUE:SYMBOL.")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+", null=True)
    bot = models.ForeignKey(Bot, models.PROTECT, related_name="+", null=True)
    amount = models.DecimalField(max_digits=30, decimal_places=10)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "ledger entries"
        constraints = (
            models.CheckConstraint(
                name="ledger_amount",
                condition=models.Q(amount__gt=-(10**18), amount__lt=10**18),
            ),
        )
        triggers = (
            append_only(),
            pgtrigger.Trigger(
                name="balanced",
                operation=pgtrigger.Insert,
                when=pgtrigger.After,
                timing=pgtrigger.Deferred,
                func=BALANCED,
            ),
        )

    def __str__(self) -> str:
        return f"{self.book} {self.amount} {self.asset}"
