"""Compare our open orders with the venue's answer; what differs goes before a person."""

from django.db import transaction

from domain.orders import OPEN, PARTIAL
from execution.models import Order
from execution.queries import lock_book
from execution.services.connect_broker import broker_of
from execution.services.raise_incident import raise_incident
from marketdata.models import Account


def reconcile_orders(account: Account) -> int:
    """Return how many of the account's open orders the venue does not know.

    Repeating it changes nothing. A venue that cannot be asked raises: no answer is no evidence.
    """
    ours = list(
        Order.objects.filter(account=account, state__in=(OPEN, PARTIAL)).values_list(
            "client_order_id", flat=True
        )
    )
    if not ours:
        return 0
    lost = [reply for reply in broker_of(account).query(ours) if reply.state == "not_found"]
    for reply in lost:
        with transaction.atomic():
            lock_book(account.pk)
            raise_incident(
                account_id=account.pk,
                kind="order_unknown_at_venue",
                subject=reply.client_order_id,
                detail={"venue": account.venue},
            )
    return len(lost)
