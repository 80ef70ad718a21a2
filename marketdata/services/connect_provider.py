"""The one door to the providers: a row becomes a feed, with its symbols, its budget, its health."""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from marketdata.feeds.base import Feed, FeedError, FeedUnavailableError, RateLimitedError
from marketdata.feeds.registry import make_feed
from marketdata.models import Instrument, Provider, ProviderSymbol
from marketdata.models.wall_time import ClockTimestamp
from marketdata.services.rate_budget import RedisBudget

LONGEST_REASON = 300
ATTEMPTS = 3
BACKOFF = wait_random_exponential(multiplier=0.5, max=8.0)
# A provider that says "too many" and not for how long is left alone for this long.
UNTOLD_HOLD_SECONDS = 5.0
# What an adapter raises when it meets an answer its author did not think of.
FAULTS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)

R = TypeVar("R")
Sleep = Callable[[float], None]
log = logging.getLogger(__name__)


def feed_of(provider: Provider, *, longest_wait_seconds: float = 60.0) -> Feed:
    """Return the provider's feed; its calls come out of the budget all processes share."""
    budget = RedisBudget(
        provider=provider.name,
        per_second=provider.requests_per_second,
        burst=provider.burst,
        longest_wait_seconds=longest_wait_seconds,
    )
    return make_feed(provider.feed, provider.options, budget)


def symbols_at(
    *, provider: Provider, feed: Feed, instruments: Iterable[Instrument]
) -> dict[int, str]:
    """Return, per instrument id, the provider's symbol: the one mapped, else the feed's own rule.

    An instrument the provider does not have is absent.
    """
    wanted = list(instruments)
    mapped = dict(
        ProviderSymbol.objects.filter(provider=provider, instrument__in=wanted).values_list(
            "instrument_id", "symbol"
        )
    )
    found = {
        one.pk: mapped.get(one.pk) or feed.symbol_of(venue=one.venue, symbol=one.symbol)
        for one in wanted
    }
    return {pk: symbol for pk, symbol in found.items() if symbol is not None}


def ask(feed: Feed, call: Callable[[], R], *, sleep: Sleep = time.sleep) -> R:
    """Return what the call to the feed returns; it is repeated where that may help.

    Only for calls that may be made twice. A provider that says wait is obeyed by every process;
    a fault of the adapter becomes a `FeedError`.
    """

    def once() -> R:
        try:
            return call()
        except RateLimitedError as error:
            told = error.retry_after_seconds
            feed.budget.hold(UNTOLD_HOLD_SECONDS if told is None else told)
            raise
        except FAULTS as error:
            log.exception("fault in the feed %s", feed.name)
            raise FeedError(f"fault in the feed '{feed.name}': {error!r}"[:200]) from None

    repeated = Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        retry=retry_if_exception_type((FeedUnavailableError, RateLimitedError)),
        wait=_pause,
        sleep=sleep,
        reraise=True,
    )
    return repeated(once)


def _pause(state: RetryCallState) -> float:
    """Return how long to wait before the next attempt."""
    failed = state.outcome.exception() if state.outcome else None
    # After "too many" the budget itself makes everybody wait.
    return 0.0 if isinstance(failed, RateLimitedError) else BACKOFF(state)


def report_health(
    *,
    provider_id: int,
    state: str,
    reason: str = "",
    message_at: datetime | None = None,
    instead_of: tuple[str, ...] = (),
) -> bool:
    """Say how the provider is; return whether the row was changed.

    `message_at` is when it last said anything useful, kept when None. With `instead_of` the
    state is changed only from one of these: who asks for history does not overrule a live link.
    """
    row = Provider.objects.filter(pk=provider_id)
    if message_at is not None:
        row.update(last_message_at=message_at)
    if instead_of:
        row = row.filter(state__in=instead_of)
    kept = " ".join(reason.split())[:LONGEST_REASON]
    changed = row.exclude(state=state, reason=kept)
    return changed.update(state=state, reason=kept, state_at=ClockTimestamp()) == 1
