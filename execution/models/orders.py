"""Orders: the recorded wish, its states, and which state may follow which."""

import pgtrigger
from django.db import models

from execution.models.columns import cash_column, quantity_column
from execution.models.incidents import Incident
from marketdata.models import Account, Instrument
from marketdata.models.append_only import append_only
from marketdata.models.wall_time import wall_time
from risk.models import Decision
from strategies.models import Bot


class AllowedEdge(models.Model):
    """One permitted change of state; the trigger on `Order` reads this table."""

    from_state = models.CharField(max_length=10)
    to_state = models.CharField(max_length=10)
    is_late_evidence = models.BooleanField(
        default=False, help_text="Only because the venue reported it afterwards."
    )

    class Meta:
        ordering = ("from_state", "to_state")
        constraints = (
            models.UniqueConstraint(fields=("from_state", "to_state"), name="allowed_edge_key"),
        )

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


GUARD_ORDER = """
    IF NEW.filled_quantity < OLD.filled_quantity THEN
        RAISE EXCEPTION 'order %: filled_quantity never shrinks', OLD.id;
    END IF;
    IF NEW.client_order_id <> OLD.client_order_id OR NEW.quantity <> OLD.quantity
       OR NEW.side <> OLD.side OR NEW.decision_id <> OLD.decision_id
       OR NEW.account_id <> OLD.account_id OR NEW.instrument_id <> OLD.instrument_id
       OR NEW.decided_at <> OLD.decided_at OR NEW.reduce_only <> OLD.reduce_only THEN
        RAISE EXCEPTION 'order %: the wish never changes', OLD.id;
    END IF;
    IF NEW.state <> OLD.state AND NOT EXISTS (
        SELECT 1 FROM execution_allowededge e
        WHERE e.from_state = OLD.state AND e.to_state = NEW.state
    ) THEN
        RAISE EXCEPTION 'order %: % may not become %', OLD.id, OLD.state, NEW.state;
    END IF;
    RETURN NEW;
"""


class Order(models.Model):
    """One wish on its way: the client id is committed before the first byte leaves."""

    SIDES = ((1, "buy"), (-1, "sell"))

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="+")
    leg = models.SmallIntegerField(default=0)
    issue_no = models.SmallIntegerField(default=0)
    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    bot = models.ForeignKey(Bot, models.PROTECT, related_name="+", null=True)
    client_order_id = models.CharField(max_length=36)
    mode = models.CharField(max_length=10)
    order_type = models.CharField(max_length=12, default="market")
    side = models.SmallIntegerField(choices=SIDES)
    quantity = quantity_column()
    filled_quantity = quantity_column(default=0)
    reserved = cash_column(help_text="Cash kept for it until it is done.")
    reduce_only = models.BooleanField(default=False)
    state = models.CharField(max_length=10, default="ready")
    state_at = wall_time()
    reason = models.CharField(max_length=200, blank=True)
    incident = models.ForeignKey(Incident, models.PROTECT, related_name="+", null=True)
    decided_at = models.DateTimeField(help_text="The closing instant it was decided on.")
    created_at = wall_time()

    class Meta:
        ordering = ("-decided_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("decision", "leg", "issue_no"), name="order_key"),
            models.UniqueConstraint(fields=("account", "client_order_id"), name="order_client_id"),
            models.CheckConstraint(
                name="order_numbers",
                condition=models.Q(quantity__gt=0, quantity__lt=10**15)
                & models.Q(filled_quantity__gte=0, filled_quantity__lte=models.F("quantity"))
                & models.Q(reserved__gte=0, reserved__lt=10**18)
                & models.Q(side__in=(1, -1)),
            ),
        )
        indexes = (
            models.Index(
                fields=("account",),
                condition=~models.Q(state__in=("filled", "canceled", "rejected")),
                name="order_alive",
            ),
        )
        triggers = (
            pgtrigger.Trigger(
                name="guard",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                func=GUARD_ORDER,
            ),
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
        )

    def __str__(self) -> str:
        return self.client_order_id


class OrderEvent(models.Model):
    """One edge an order went along."""

    order = models.ForeignKey(Order, models.PROTECT, related_name="+", db_index=False)
    seq = models.IntegerField()
    from_state = models.CharField(max_length=10)
    to_state = models.CharField(max_length=10)
    detail = models.CharField(max_length=200, blank=True)
    created_at = wall_time()

    class Meta:
        ordering = ("order", "seq")
        constraints = (models.UniqueConstraint(fields=("order", "seq"), name="order_event_key"),)
        triggers = (append_only(),)

    def __str__(self) -> str:
        return f"{self.order_id}: {self.from_state} → {self.to_state}"
