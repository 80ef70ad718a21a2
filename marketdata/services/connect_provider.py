"""The one door to the providers: a row becomes a feed, with its symbols, its budget, its health."""

from collections.abc import Iterable
from datetime import datetime

from marketdata.feeds.base import Feed
from marketdata.feeds.registry import make_feed
from marketdata.models import Instrument, Provider, ProviderSymbol
from marketdata.models.wall_time import ClockTimestamp
from marketdata.services.rate_budget import RedisBudget

LONGEST_REASON = 300


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
