"""Open an account: its book, its limits, its first deposit."""

from decimal import Decimal

from django.db import transaction

from domain.errors import PlumblineError
from domain.money import to_cash
from execution.models import Book, LedgerEntry, LedgerTxn
from marketdata.models import Account, Stream
from risk.models import Control, Profile


class BadDepositError(PlumblineError):
    """An account starts with a positive amount of cash."""

    code = "bad_deposit"


def open_account(
    *, name: str, stream: Stream, cash: Decimal, currency: str = "USD", profile: str = "default"
) -> Account:
    """Return the account of that name, opened with a deposit unless it exists."""
    deposit = to_cash(cash)
    if not 0 < deposit < 10**15:
        raise BadDepositError(f"an account starts with cash above 0, not {cash}")
    with transaction.atomic():
        account, created = Account.objects.get_or_create(
            name=name, defaults={"stream": stream, "currency": currency}
        )
        if not created:
            return account
        now = Stream.objects.get(pk=stream.pk).sealed_to
        Control.objects.create(account=account, profile=Profile.objects.get(name=profile))
        Book.objects.create(
            account=account, cash=deposit, peak_equity=deposit, settled_to=now, decided_to=now
        )
        txn = LedgerTxn.objects.create(
            ref=f"deposit:{account.pk}:1", account=account, booked_for=now
        )
        for book, amount in (("cash", deposit), ("capital", -deposit)):
            LedgerEntry.objects.create(
                txn=txn, account=account, book=book, asset=currency, amount=amount
            )
    return account
