"""Cancel what works at the venue when an account is halted; exits stay."""

from django.db import connection, transaction

from domain.bus import publish
from domain.events import BookMoved
from domain.orders import CANCELED
from execution.queries import lock_book
from execution.services.connect_broker import broker_of
from execution.services.move_orders import OrderMove, move_orders, touch_book
from marketdata.models import Account

ENTRIES = """
SELECT o.id, o.client_order_id, o.state FROM execution_order o
JOIN risk_control c ON c.account_id = o.account_id
WHERE o.account_id = %s AND c.state = 'halted' AND o.state IN ('open', 'partial')
  AND NOT o.reduce_only ORDER BY o.id
"""


def cancel_halted_entries(account_id: int) -> int:
    """Cancel the working entries of a halted account; return how many the venue canceled.

    An entry the venue has filled already stays: its fill is booked like any other.
    """
    working = {row[1]: row for row in _entries(account_id)}
    if not working:
        return 0
    account = Account.objects.select_related("stream").get(pk=account_id)
    replies = broker_of(account).cancel(list(working))
    canceled = [reply.client_order_id for reply in replies if reply.state == CANCELED]
    with transaction.atomic():
        book = lock_book(account_id)
        moved = move_orders(
            [
                OrderMove(working[one][0], working[one][2], CANCELED, "canceled by a halt")
                for one in canceled
            ]
        )
        if moved:
            touch_book(account_id)
            publish(BookMoved(account_id, book.version + 1, ("desk", "orders")))
    return len(moved)


def _entries(account_id: int) -> list[tuple[int, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES, (account_id,))
        return cursor.fetchall()
