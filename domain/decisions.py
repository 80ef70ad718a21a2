"""What risk answers to a signal."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Check:
    """One rule's answer: what it looked at, its limit, and why it refuses ("" when it does not)."""

    rule: str
    value: str
    limit: str
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Tell whether the rule lets the signal pass."""
        return not self.reason


@dataclass(frozen=True, slots=True)
class RiskVerdict:
    """The answer to one signal: size asked, size allowed, every rule's input and limit."""

    approved: bool
    reason: str
    requested_quantity: Decimal
    quantity: Decimal
    price: Decimal
    reserved: Decimal
    used_before: Decimal
    requested: Decimal
    limit_value: Decimal
    price_age_ms: int
    price_age_limit_ms: int
    checks: tuple[Check, ...]
