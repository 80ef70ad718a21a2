"""Option words: what was quoted for an underlying, and how a position leans."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class OptionQuoted:
    """One contract as last quoted; None where nothing was. Volatility is a fraction per year."""

    instrument_id: int
    symbol: str
    expires_at: datetime
    strike: Decimal
    right: str  # C or P
    observed_at: datetime
    bid: float | None
    ask: float | None
    last: float | None
    implied_volatility: float | None
    open_interest: float | None


@dataclass(frozen=True, slots=True)
class OptionChain:
    """The newest quote of every contract of an underlying not yet expired, by expiry and strike."""

    underlying_id: int
    quotes: tuple[OptionQuoted, ...]


@dataclass(frozen=True, slots=True)
class Greeks:
    """How a position's worth moves, per unit of underlying, per year of time, per 1.0 of
    volatility."""

    delta: float
    gamma: float
    vega: float
    theta: float
