"""What can be traded, in the terms the decision path needs."""

from dataclasses import dataclass
from decimal import Decimal

from domain.bars import Split


@dataclass(frozen=True, slots=True)
class InstrumentTerms:
    """One instrument: its natural name, and the grid its prices and quantities lie on."""

    id: int
    venue: str
    symbol: str
    currency: str
    tick_size: Decimal
    lot_size: Decimal
    multiplier: Decimal
    splits: tuple[Split, ...] = ()
    calendar: str = ""
    zone: str = "UTC"  # of the exchange's clocks

    @property
    def key(self) -> str:
        """Return VENUE:SYMBOL, the natural key."""
        return f"{self.venue}:{self.symbol}"
