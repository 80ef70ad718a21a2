"""Instruments from a master file, or from what a provider offers."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from domain.errors import PlumblineError
from marketdata.feeds.base import FeedInstrument
from marketdata.instrument_masters import offered_row, read_master
from marketdata.models import Provider
from marketdata.services.connect_provider import ask, feed_of, report_health
from marketdata.services.import_ledger import Progress, sha256_of
from marketdata.services.sync_instruments import InstrumentReport, sync_instruments


class UnknownProviderError(PlumblineError):
    """No provider of that name exists."""

    code = "unknown_provider"


def import_instruments(
    *,
    path: Path | None = None,
    provider_name: str = "",
    is_complete: bool = False,
    is_dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> InstrumentReport:
    """Bring a master file, or without one the provider's own list, into the record.

    With both, the file's column `provider_symbol` holds what that provider calls them.
    """
    provider = _provider(provider_name) if provider_name else None
    if path is not None:
        return sync_instruments(
            rows=read_master(path),
            source=path.name,
            sha256=sha256_of(path),
            provider=provider,
            is_complete=is_complete,
            is_dry_run=is_dry_run,
            progress=progress,
        )
    if provider is None:
        raise UnknownProviderError("name a master file, or a provider with --provider")
    offered = _offered(provider)
    return sync_instruments(
        rows=(offered_row(line, one) for line, one in enumerate(offered, start=1)),
        source=f"provider {provider.name}",
        sha256=_digest(iter(offered)),
        provider=provider,
        is_complete=is_complete,
        is_dry_run=is_dry_run,
        progress=progress,
    )


def _provider(name: str) -> Provider:
    found = Provider.objects.filter(name=name).first()
    if found is None:
        known = ", ".join(Provider.objects.values_list("name", flat=True)) or "none"
        raise UnknownProviderError(f"unknown provider '{name}'; known: {known}")
    return found


def _offered(provider: Provider) -> list[FeedInstrument]:
    """Return the provider's whole list before anything is stored: half of one is none."""
    instead_of = ("idle", "down")
    try:
        feed = feed_of(provider)
        offered = ask(feed, lambda: list(feed.instruments()))
    except PlumblineError as error:
        report_health(
            provider_id=provider.pk,
            state="down",
            reason=f"instruments: {error}",
            instead_of=instead_of,
        )
        raise
    report_health(
        provider_id=provider.pk,
        state="idle",
        message_at=datetime.now(UTC),
        instead_of=instead_of,
    )
    return offered


def _digest(offered: Iterator[FeedInstrument]) -> str:
    found = hashlib.sha256()
    for one in offered:
        found.update(repr(one).encode())
    return found.hexdigest()
