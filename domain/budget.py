"""How many calls a provider allows: asked before every call, told when it was too many."""

from typing import Protocol

from domain.errors import PlumblineError


class BudgetExhaustedError(PlumblineError):
    """The calls would have to wait longer than whoever asks can."""

    code = "budget_exhausted"


class RateBudget(Protocol):
    """The calls left to one provider, shared by everybody who calls it."""

    def take(self, cost: int = 1) -> None:
        """Return as soon as `cost` calls may be made; raise `BudgetExhaustedError` if too late."""

    def hold(self, seconds: float) -> None:
        """Let nobody call for `seconds`: the provider has said so."""


class Unlimited:
    """A budget that never runs out: for files, and for providers without a limit."""

    def take(self, cost: int = 1) -> None:
        """Return at once."""

    def hold(self, seconds: float) -> None:
        """Do nothing."""
