"""The one door to the venues: which adapter serves an account, with what in its hands."""

from execution.brokers.base import Broker
from execution.brokers.registry import BrokerAccount, load_brokers
from execution.services.paper_journal import DatabaseJournal
from marketdata.models import Account


def broker_names() -> list[str]:
    """Return the names of every registered adapter."""
    return list(load_brokers())


def broker_of(account: Account) -> Broker:
    """Return the adapter that serves the account."""
    timeframes = tuple(account.stream.timeframes)
    told = BrokerAccount(
        id=account.pk,
        name=account.name,
        fee_e9=account.fee_e9,
        slippage_e9=account.slippage_e9,
        timeframes=timeframes,
    )
    return load_brokers().get(account.venue)(told, DatabaseJournal(account.pk, timeframes))
