"""The paper venue: fills market orders at the next open, from its own journal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.bars import Bar
from domain.instruments import InstrumentTerms
from domain.orders import Execution, OrderRequest, VenueReply
from execution.brokers.base import Capabilities
from execution.brokers.registry import BROKERS, BrokerAccount
from execution.simulation.fill_model import match_market


@dataclass(frozen=True, slots=True)
class NewExecution:
    """A match on its way into the journal, which gives it a cursor."""

    execution_id: str
    order: OrderRequest
    price: str
    fee: str
    executed_at: datetime
    closed_at: datetime


class PaperJournal(Protocol):
    """Where the venue keeps what it accepted and did; durable before it answers."""

    def accept(self, orders: Sequence[OrderRequest]) -> None:
        """Keep the orders; one already kept stays as it is."""
        ...

    def states(self, client_order_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the state of each order that is known."""
        ...

    def cancel(self, client_order_ids: Sequence[str]) -> None:
        """Mark the open ones canceled."""
        ...

    def open_orders(self) -> list[OrderRequest]:
        """Return the open orders, oldest decision first."""
        ...

    def execute(self, matches: Sequence[NewExecution]) -> None:
        """Keep the matches and close their orders, at most once each."""
        ...

    def executions(self, *, cursor: int, through: datetime) -> list[Execution]:
        """Return the kept executions after `cursor` known at `through`, in cursor order."""
        ...

    def first_opens(self, wanted: Mapping[int, datetime], through: datetime) -> Mapping[int, Bar]:
        """Return each instrument's first bar opened at or after its instant, closed by then."""
        ...

    def terms(self, instrument_ids: Sequence[int]) -> Mapping[int, InstrumentTerms]:
        """Return the instruments' grids."""
        ...


class PaperBroker:
    """Matching is lazy: it happens when somebody asks for executions."""

    capabilities = Capabilities(
        is_in_process=True,
        settles_by_bars=True,
        dedupes_client_id=True,
        query_by_client_id=True,
        receive_window_ms=0,
        max_accept_delay_ms=0,
    )

    def __init__(self, account: BrokerAccount, journal: PaperJournal) -> None:
        self._account = account
        self._journal = journal

    def submit(self, orders: Sequence[OrderRequest]) -> list[VenueReply]:
        """Take the orders; the same client id twice is one order."""
        self._journal.accept(orders)
        return self.query([order.client_order_id for order in orders])

    def cancel(self, client_order_ids: Sequence[str]) -> list[VenueReply]:
        """Cancel what is still open."""
        self._journal.cancel(client_order_ids)
        return self.query(client_order_ids)

    def query(self, client_order_ids: Sequence[str]) -> list[VenueReply]:
        """Return each order's state as the venue has it."""
        states = self._journal.states(client_order_ids)
        return [VenueReply(one, states.get(one, "not_found")) for one in client_order_ids]

    def executions(self, *, cursor: int, through: datetime) -> list[Execution]:
        """Match what can be matched by `through`, then return what is new."""
        waiting = self._journal.open_orders()
        if waiting:
            self._match(waiting, through)
        return self._journal.executions(cursor=cursor, through=through)

    def _match(self, waiting: Sequence[OrderRequest], through: datetime) -> None:
        terms = self._journal.terms([order.instrument_id for order in waiting])
        matches = []
        for decided_at in sorted({order.decided_at for order in waiting}):
            group = [order for order in waiting if order.decided_at == decided_at]
            wanted = {order.instrument_id: decided_at for order in group}
            bars = self._journal.first_opens(wanted, through)
            for order in group:
                bar = bars.get(order.instrument_id)
                if bar is not None:
                    matches.append(self._execute(order, bar, terms[order.instrument_id]))
        if matches:
            self._journal.execute(matches)

    def _execute(self, order: OrderRequest, bar: Bar, terms: InstrumentTerms) -> NewExecution:
        match = match_market(
            side=order.side,
            quantity=order.quantity,
            open_price=bar.open,
            terms=terms,
            fee_e9=self._account.fee_e9,
            slippage_e9=self._account.slippage_e9,
        )
        return NewExecution(
            execution_id=f"{order.client_order_id}-1",
            order=order,
            price=str(match.price),
            fee=str(match.fee),
            executed_at=bar.opened_at,
            closed_at=bar.closed_at,
        )


BROKERS.add("paper", PaperBroker)
