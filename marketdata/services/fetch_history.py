"""History from the providers, in their order: within their budgets, again, or from the next one.

Nothing here writes bars: whoever asks stores them with the provider they came from. No
transaction should be open around a call: providers take seconds.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np

from domain.bars import (
    EPOCH,
    BarSeries,
    IntArray,
    Timeframe,
    in_order,
    joined,
    picked,
    to_micros,
)
from domain.errors import PlumblineError
from marketdata.calendars import Calendar, calendar_named
from marketdata.data_quality import Reason, check_bars, mixed_in, wrong_step
from marketdata.feeds.base import Feed, FeedError, UnknownSymbolError, history_spans
from marketdata.models import Instrument, Provider
from marketdata.services.connect_provider import Sleep, ask, feed_of, report_health, symbols_at

# Who failed this recently is asked after the others.
RECENTLY = timedelta(seconds=30)
# A client of an exchange knows its markets after one long call; they change by the day.
KEEP_FEED_SECONDS = 3600.0
DAY = timedelta(days=1)

# Calendars whose days providers cut where they are.
OWN_DAYS = ("24/7", "FX")


class BadHistoryError(FeedError):
    """The provider answered, and the answer cannot be true; asking it again changes nothing."""

    code = "bad_history"


class NoProviderError(PlumblineError):
    """No enabled provider offers this history at all."""

    code = "no_provider"


class HistoryUnavailableError(PlumblineError):
    """Every provider that offers this history failed; the line names each and its reason."""

    code = "history_unavailable"


@dataclass(frozen=True)
class HistoryPart:
    """Bars of one provider, in rising time; none of them stands in another part."""

    provider_id: int
    provider: str
    bars: BarSeries


@dataclass(frozen=True)
class FetchedHistory:
    """What the providers brought: parts in the order asked, refused rows and failures counted."""

    parts: tuple[HistoryPart, ...]
    refused: dict[str, int] = field(default_factory=dict)  # reason in words -> bars left out
    failures: tuple[str, ...] = ()  # one line per provider that could not be used

    @property
    def bars(self) -> BarSeries:
        """Return all bars in rising time."""
        return in_order(joined([part.bars for part in self.parts]))


def fetch_history(
    *,
    instrument: Instrument,
    timeframe: Timeframe,
    since: datetime,
    until: datetime,
    wanted: IntArray | None = None,
    providers: Sequence[Provider] | None = None,
    patience_seconds: float = 30.0,
    sleep: Sleep = time.sleep,
) -> FetchedHistory:
    """Return the closed bars with `since <= opened_at < until` from the first provider that can.

    The next one is asked when a provider fails or has none of the bars; with `wanted` (opening
    instants in micros) as long as one of these is missing. An empty answer of all is an answer.
    Raises `NoProviderError` when nobody offers it, `HistoryUnavailableError` when all failed.
    """
    parts: list[HistoryPart] = []
    failures: list[str] = []
    refused: Counter[str] = Counter()
    answered = False
    for provider in providers if providers is not None else providers_in_order():
        asked = _Asked(instrument, timeframe, since, until)
        try:
            found = _from(provider, asked, patience_seconds, sleep)
        except PlumblineError as error:
            failures.append(f"{provider.name}: {error}")
            continue
        if found is None:
            continue
        answered = True
        bars, reasons = found
        refused += reasons
        known = joined([part.bars for part in parts]).opened_at
        bars = picked(bars, ~np.isin(bars.opened_at, known))
        if len(bars):
            parts.append(HistoryPart(provider.pk, provider.name, bars))
            known = np.concatenate([known, bars.opened_at])
        if np.isin(wanted, known).all() if wanted is not None else len(known):
            break
    if not answered:
        _refuse(instrument, timeframe, failures)
    return FetchedHistory(tuple(parts), dict(refused), tuple(failures))


def providers_in_order() -> list[Provider]:
    """Return the enabled providers by priority, those that failed just now after the others."""
    recent = datetime.now(UTC) - RECENTLY
    return sorted(
        Provider.objects.filter(is_enabled=True),
        key=lambda one: (one.state == "down" and one.state_at > recent, one.priority, one.name),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is wanted of a provider."""

    instrument: Instrument
    timeframe: Timeframe
    since: datetime
    until: datetime


def _refuse(instrument: Instrument, timeframe: Timeframe, failures: Sequence[str]) -> None:
    what = f"{timeframe.value} history of {instrument}"
    if failures:
        raise HistoryUnavailableError(f"no {what}: {'; '.join(failures)}")
    raise NoProviderError(f"no enabled provider has {what}")


def _from(
    provider: Provider, asked: _Asked, patience_seconds: float, sleep: Sleep
) -> tuple[BarSeries, Counter[str]] | None:
    """Return one provider's good bars and what was refused; None when it does not offer them."""
    try:
        feed = _kept_feed(provider, patience_seconds)
        able = feed.capabilities
        symbol = symbols_at(provider=provider, feed=feed, instruments=[asked.instrument]).get(
            asked.instrument.pk
        )
        if not able.has_history or asked.timeframe not in able.timeframes or symbol is None:
            return None
        found = _chunks(feed, symbol, asked, sleep)
    except UnknownSymbolError:
        return None  # an answer: it does not offer this one, and is well
    except PlumblineError as error:
        report_health(
            provider_id=provider.pk,
            state="down",
            reason=f"history: {error}",
            instead_of=("idle", "down"),
        )
        raise
    report_health(
        provider_id=provider.pk,
        state="idle",
        message_at=datetime.now(UTC),
        instead_of=("idle", "down"),
    )
    return found


def _chunks(feed: Feed, symbol: str, asked: _Asked, sleep: Sleep) -> tuple[BarSeries, Counter[str]]:
    """Return the good bars of all calls together, and how many were refused for what."""
    calendar = calendar_named(asked.instrument.calendar)
    early = DAY if asked.timeframe is Timeframe.D1 and calendar is not None else timedelta()
    spans = history_spans(
        feed.capabilities,
        timeframe=asked.timeframe,
        # The provider dates a day by its midnight, the desk by the session's opening.
        since=asked.since - early,
        until=asked.until + early,
    )
    refused: Counter[str] = Counter()
    parts = []
    for since, until in spans:
        call = partial(
            feed.history, symbol=symbol, timeframe=asked.timeframe, since=since, until=until
        )
        bars = ask(feed, call, sleep=sleep)
        fine, reasons = checked(bars, asked.timeframe, calendar)
        refused += reasons
        parts.append(fine)
    bars = joined(parts)
    if (np.diff(bars.opened_at) <= 0).any():
        raise BadHistoryError("time goes backwards from one answer to the next")
    bars = on_sessions(bars, asked.timeframe, calendar)
    first, last = np.searchsorted(bars.opened_at, [to_micros(asked.since), to_micros(asked.until)])
    return bars[int(first) : int(last)], refused


def checked(
    bars: BarSeries, timeframe: Timeframe, calendar: Calendar | None
) -> tuple[BarSeries, Counter[str]]:
    """Return the good bars of one answer and what is wrong with the others.

    An answer that is wrong as a whole raises `BadHistoryError`.
    """
    if not len(bars):
        return bars, Counter()
    if (np.diff(bars.opened_at) <= 0).any():
        raise BadHistoryError("the answer's time goes backwards or stands still")
    mixed = mixed_in(bars.opened_at, timeframe)
    other = mixed.value if mixed else wrong_step(bars.opened_at, timeframe, calendar)
    if other:
        raise BadHistoryError(f"the answer holds bars of {other}, not only {timeframe.value}")
    reasons = check_bars(
        bars,
        timeframe=timeframe,
        now_micros=to_micros(datetime.now(UTC)),
        calendar=calendar,
    )
    counts = Counter(Reason(one).text for one in reasons[reasons != Reason.FINE].tolist())
    if (reasons != Reason.FINE).all():
        worst = counts.most_common(1)[0][0]
        raise BadHistoryError(f"every one of {len(bars)} bars was refused: {worst}")
    return picked(bars, reasons == Reason.FINE), counts


def on_sessions(bars: BarSeries, timeframe: Timeframe, calendar: Calendar | None) -> BarSeries:
    """Return daily bars with the opening and closing instants of their sessions.

    Providers label a day by a midnight of their own; dates without a session stay as they are.
    """
    if timeframe is not Timeframe.D1 or calendar is None or calendar.name in OWN_DAYS:
        return bars
    if not len(bars):
        return bars
    day = calendar.days_of(bars.opened_at)
    sessions = calendar.sessions(_date(day.min()), _date(day.max()))
    first = np.searchsorted(sessions.day, day, side="left")
    last = np.searchsorted(sessions.day, day, side="right") - 1
    known = last >= first
    opened_at, closed_at = bars.opened_at.copy(), bars.closed_at.copy()
    opened_at[known] = sessions.opened_at[first[known]]
    closed_at[known] = sessions.closed_at[last[known]]
    moved = BarSeries(opened_at, closed_at, bars.open, bars.high, bars.low, bars.close, bars.volume)
    return in_order(moved)


def _date(day: int) -> date:
    return (EPOCH + timedelta(days=int(day))).date()


class _Feeds(threading.local):
    """The feeds of this thread: the clients of exchanges are not made for several at once."""

    def __init__(self) -> None:
        self.by_provider: dict[int, tuple[tuple[Any, ...], float, Feed]] = {}


_feeds = _Feeds()


def _kept_feed(provider: Provider, patience_seconds: float) -> Feed:
    """Return the provider's feed, this thread's same one for a while unless its row has changed."""
    row = (
        provider.feed,
        json.dumps(provider.options, sort_keys=True),
        provider.name,
        provider.requests_per_second,
        provider.burst,
        patience_seconds,
    )
    kept = _feeds.by_provider.get(provider.pk)
    if kept is not None and kept[0] == row and time.monotonic() - kept[1] < KEEP_FEED_SECONDS:
        return kept[2]
    feed = feed_of(provider, longest_wait_seconds=patience_seconds)
    _feeds.by_provider[provider.pk] = (row, time.monotonic(), feed)
    return feed
