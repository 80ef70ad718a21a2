"""What an account owns: positions, their marks, equity."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain.money import ZERO, notional


@dataclass(frozen=True, slots=True)
class PositionState:
    """Signed quantity, what it cost in total, and the profit already taken."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class MarkedPosition:
    """One position with the price it is valued at."""

    instrument_id: int
    bot: str
    quantity: Decimal
    price: Decimal
    multiplier: Decimal

    @property
    def value(self) -> Decimal:
        """Return its signed worth, in whole 1e-8."""
        return notional(self.price, self.quantity, self.multiplier)


@dataclass(frozen=True, slots=True)
class PortfolioSnapshot:
    """An account at one instant, as risk sees it."""

    cash: Decimal
    positions: tuple[MarkedPosition, ...]
    peak_equity: Decimal
    day_start_equity: Decimal

    @property
    def equity(self) -> Decimal:
        """Return cash plus the marked worth of every position."""
        return self.cash + sum((position.value for position in self.positions), ZERO)

    @property
    def drawdown(self) -> Decimal:
        """Return the fall from the peak as a positive fraction."""
        return fall(self.peak_equity, self.equity)

    @property
    def day_loss(self) -> Decimal:
        """Return the fall since the day began as a positive fraction; 0 after a gain."""
        return fall(self.day_start_equity, self.equity)

    def exposures(self) -> Mapping[int, Decimal]:
        """Return the absolute marked worth held per instrument, all bots together."""
        totals: dict[int, Decimal] = {}
        for position in self.positions:
            held = totals.get(position.instrument_id, ZERO)
            totals[position.instrument_id] = held + abs(position.value)
        return totals


def fall(start: Decimal, now: Decimal) -> Decimal:
    """Return how far `now` lies below `start`, as a fraction of it; 0 when it does not."""
    if start <= 0 or now >= start:
        return ZERO
    return (start - now) / start
