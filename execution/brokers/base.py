"""The port every venue is reached through, and what a venue can promise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.orders import Execution, OrderRequest, VenueReply


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an adapter declares, so that the engine knows what it may rely on."""

    is_in_process: bool
    settles_by_bars: bool
    dedupes_client_id: bool
    query_by_client_id: bool
    receive_window_ms: int
    max_accept_delay_ms: int


class Broker(Protocol):
    """One account at one venue."""

    capabilities: Capabilities

    def submit(self, orders: Sequence[OrderRequest]) -> list[VenueReply]:
        """Send the orders; sending one twice is the same as once where ids are deduplicated."""
        ...

    def cancel(self, client_order_ids: Sequence[str]) -> list[VenueReply]:
        """Cancel what still works; a filled order stays filled."""
        ...

    def query(self, client_order_ids: Sequence[str]) -> list[VenueReply]:
        """Return what the venue knows of the orders; not_found is an answer, an error is not."""
        ...

    def executions(self, *, cursor: int, through: datetime) -> list[Execution]:
        """Return the executions after `cursor` that were known at `through`, in cursor order."""
        ...
