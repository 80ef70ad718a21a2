"""Order words: sides, states, the wish and what a venue reports back."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

BUY = 1
SELL = -1

READY, SENDING, UNKNOWN = "ready", "sending", "unknown"
OPEN, PARTIAL = "open", "partial"
FILLED, CANCELED, REJECTED = "filled", "canceled", "rejected"

STATES = (READY, SENDING, UNKNOWN, OPEN, PARTIAL, FILLED, CANCELED, REJECTED)
UNSENT = (READY, SENDING, UNKNOWN)
WORKING = (OPEN, PARTIAL)
FINAL = (FILLED, CANCELED, REJECTED)


def side_word(side: int) -> str:
    """Return buy or sell."""
    return "buy" if side == BUY else "sell"


def client_order_id(*, env: str, account: str, signal_key: str, leg: int, issue_no: int) -> str:
    """Return P and 19 characters: the same wish has the same id in every process and every run."""
    natural = f"{env}|{account}|{signal_key}|{leg}|{issue_no}"
    digest = hashlib.sha256(natural.encode()).digest()
    return "P" + base64.b32encode(digest).decode()[:19]


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A wish that risk has approved: market order, whole lots."""

    client_order_id: str
    instrument_id: int
    side: int
    quantity: Decimal
    decided_at: datetime
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class VenueReply:
    """What a venue says of one order: open, filled, canceled, rejected or not_found."""

    client_order_id: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Execution:
    """One fill as the venue reports it; `cursor` rises in commit order within an account."""

    cursor: int
    execution_id: str
    client_order_id: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: datetime
