"""Which state may follow which; the database enforces the same list by trigger."""

from domain.orders import (
    CANCELED,
    FILLED,
    OPEN,
    PARTIAL,
    READY,
    REJECTED,
    SENDING,
    UNKNOWN,
)

ORDINARY_EDGES = (
    (READY, SENDING),
    (READY, CANCELED),
    (SENDING, UNKNOWN),
    (SENDING, OPEN),
    (SENDING, PARTIAL),
    (SENDING, FILLED),
    (SENDING, REJECTED),
    (UNKNOWN, SENDING),
    (UNKNOWN, OPEN),
    (UNKNOWN, PARTIAL),
    (UNKNOWN, FILLED),
    (UNKNOWN, CANCELED),
    (UNKNOWN, REJECTED),
    (OPEN, PARTIAL),
    (OPEN, FILLED),
    (OPEN, CANCELED),
    (PARTIAL, FILLED),
    (PARTIAL, CANCELED),
)
# The venue reported afterwards that what we had closed was alive.
LATE_EDGES = ((REJECTED, UNKNOWN), (CANCELED, PARTIAL), (CANCELED, FILLED))
