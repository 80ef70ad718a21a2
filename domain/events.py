"""Everything that happens, one frozen class each. Only services publish them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `shard` is the account it belongs to, 0 for the whole desk."""

    shard: int


@dataclass(frozen=True, slots=True)
class InstantSealed(Event):
    """The bars of one instant are complete."""

    stream: str
    closed_at: datetime
    bars: int


@dataclass(frozen=True, slots=True)
class QuotesMoved(Event):
    """Prices of a live stream moved; the newest tick is of `at`."""

    stream: str
    at: datetime


@dataclass(frozen=True, slots=True)
class BookMoved(Event):
    """The account's record changed; `version` is the new state of its book."""

    version: int
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Audited(Event):
    """A fact for the audit chain: who did what to which object."""

    actor: str
    action: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OrderPlaced(Audited):
    """An approved wish became an order."""


@dataclass(frozen=True, slots=True)
class FillBooked(Audited):
    """A fill moved cash and position."""


@dataclass(frozen=True, slots=True)
class SplitApplied(Audited):
    """A split changed a position's quantity."""


@dataclass(frozen=True, slots=True)
class AccountHalted(Audited):
    """The kill switch is on."""


@dataclass(frozen=True, slots=True)
class AccountResumed(Audited):
    """The kill switch is off again."""


@dataclass(frozen=True, slots=True)
class BotStateChanged(Audited):
    """A bot was started, paused or stopped."""


@dataclass(frozen=True, slots=True)
class BotCreated(Audited):
    """A strategy was given an account, as a draft."""


@dataclass(frozen=True, slots=True)
class BotChanged(Audited):
    """A bot's parameters, instruments, timeframe or capital were changed."""


@dataclass(frozen=True, slots=True)
class BotChecked(Audited):
    """A bot was checked for decisions that depend on what came later."""


@dataclass(frozen=True, slots=True)
class BotPromoted(Audited):
    """A bot went on to its next stage."""


@dataclass(frozen=True, slots=True)
class WeightVersionActivated(Audited):
    """A weight version decides from its `valid_from` on."""


@dataclass(frozen=True, slots=True)
class RegimesFitted(Audited):
    """A fitted mixture tells the regimes of its series from its `valid_from` on."""


@dataclass(frozen=True, slots=True)
class IncidentRaised(Audited):
    """Something needs a person."""
