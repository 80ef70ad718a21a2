"""History from several providers: in order, again, or from the next; nothing bad, nothing lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from domain.bars import BarSeries, Timeframe, from_micros, to_micros
from domain.budget import BudgetExhaustedError
from marketdata.calendars import calendar_named
from marketdata.feeds.base import (
    Feed,
    FeedCapabilities,
    FeedOptions,
    FeedUnavailableError,
    UnknownSymbolError,
)
from marketdata.feeds.registry import FEEDS, load_feeds
from marketdata.models import Bar, DataGap, Instrument, Provider, ProviderSymbol
from marketdata.services import fetch_history as module
from marketdata.services.backfill_gaps import backfill_gaps
from marketdata.services.connect_provider import feed_of, report_health
from marketdata.services.fetch_history import (
    FetchedHistory,
    HistoryUnavailableError,
    NoProviderError,
    checked,
    fetch_history,
    on_sessions,
    providers_in_order,
)
from marketdata.services.find_gaps import find_gaps
from marketdata.services.ingest_bars import store_bars
from tests.marketdata.feeds import exchange_server as fake
from tests.marketdata.feeds.exchange_server import ExchangeServer, Fault, running_exchange

pytestmark = pytest.mark.django_db

T0 = datetime(2024, 1, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
MINUTE_MICROS = 60_000_000
HEAD = "ts,open,high,low,close,volume\n"
LAST_MS = to_micros(T0 + 2999 * MINUTE) // 1000


@pytest.fixture(autouse=True)
def new_feeds() -> None:
    module._feeds.by_provider.clear()


@pytest.fixture
def server() -> Iterator[ExchangeServer]:
    with running_exchange(to_micros(T0) // 1000, LAST_MS) as found:
        yield found


@pytest.fixture
def instrument() -> Instrument:
    return Instrument.objects.create(
        venue="BINANCE", symbol="BTCUSDT", kind="crypto", tick_size="0.01", lot_size="0.00001"
    )


def exchange(server: ExchangeServer, **fields: Any) -> Provider:
    """Return the provider with the first claim: the exchange."""
    options = {"exchange": "binance", "base_url": server.url, "timeout_seconds": 0.5}
    options |= fields.pop("options", {})
    # Redis outlives a test: the name is this server's alone, so is its budget.
    name = f"exchange at {server.url}"
    given = {"name": name, "feed": "ccxt", "priority": 1, "options": options, **fields}
    return Provider.objects.create(**given)


def folder(path: Path, *minutes: int, **fields: Any) -> Provider:
    """Return the provider with the second claim: files, with these minutes in them."""
    rows = [f"{T0 + n * MINUTE:%Y-%m-%dT%H:%M:%SZ},7,7,7,7,1\n" for n in minutes]
    (path / "BINANCE_BTCUSDT_1m.csv").write_text(HEAD + "".join(rows))
    given = {"name": "files", "feed": "files", "priority": 2, "options": {"folder": str(path)}}
    return Provider.objects.create(**given | fields)


class Sleeper:
    """Sleeps that are only written down."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def fetch(instrument: Instrument, first: int, last: int, **options: Any) -> FetchedHistory:
    given = {"timeframe": Timeframe.M1, "sleep": Sleeper(), "patience_seconds": 1.0, **options}
    return fetch_history(
        instrument=instrument, since=T0 + first * MINUTE, until=T0 + last * MINUTE, **given
    )


def minutes(bars: BarSeries) -> list[int]:
    return ((bars.opened_at - to_micros(T0)) // MINUTE_MICROS).tolist()


def told(found: FetchedHistory) -> list[tuple[str, list[int]]]:
    return [(part.provider.split(" ")[0], minutes(part.bars)) for part in found.parts]


def test_fetch_history_when_two_have_it_takes_the_first_in_order(
    server: ExchangeServer, instrument: Instrument, tmp_path: Path
) -> None:
    first = exchange(server)
    folder(tmp_path, *range(10))
    found = fetch(instrument, 2, 6)
    assert told(found) == [("exchange", [2, 3, 4, 5])]
    assert found.parts[0].provider_id == first.pk
    assert (found.refused, found.failures) == ({}, ())
    Provider.objects.filter(pk=first.pk).update(priority=3)
    assert told(fetch(instrument, 2, 6)) == [("files", [2, 3, 4, 5])]
    Provider.objects.filter(feed="files").update(is_enabled=False)
    assert told(fetch(instrument, 2, 6)) == [("exchange", [2, 3, 4, 5])]


def test_fetch_history_when_long_is_cut_and_merged_without_a_seam(
    server: ExchangeServer, instrument: Instrument
) -> None:
    exchange(server, options={"page_bars": 10})
    found = fetch(instrument, 0, 35)
    assert told(found) == [("exchange", list(range(35)))]
    assert server.calls_of("/klines") == 4


def test_fetch_history_when_a_call_fails_once_is_repeated(
    server: ExchangeServer, instrument: Instrument
) -> None:
    exchange(server)
    server.faults, sleep = [fake.BROKEN, fake.HALF_A_JSON], Sleeper()
    assert told(fetch(instrument, 0, 3, sleep=sleep)) == [("exchange", [0, 1, 2])]
    assert len(sleep.slept) == 2


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (fake.BROKEN, "unknown"),
        (fake.ERROR_PAGE, "502 Bad Gateway"),
        (fake.PAGE_WITH_STATUS_200, "We are down for maintenance"),
        (fake.HALF_A_JSON, "the answer cannot be read"),
        (fake.NOTHING, "the answer cannot be read"),
        (fake.NO_NUMBERS, "the answer has another shape"),
        (fake.SILENCE, "RequestTimeout"),
        (fake.LIMITED, "may be made in"),
        (fake.LIMITED_FOR_7_SECONDS, "may be made in"),
    ],
)
def test_fetch_history_when_one_keeps_failing_takes_the_next(
    fault: Fault, line: str, server: ExchangeServer, instrument: Instrument, tmp_path: Path
) -> None:
    provider = exchange(server)
    folder(tmp_path, *range(5))
    server.faults = [fault] * 3
    found = fetch(instrument, 0, 5)
    assert told(found) == [("files", [0, 1, 2, 3, 4])]
    (failure,) = found.failures
    assert line in failure
    assert "\n" not in failure
    provider.refresh_from_db()
    assert (provider.state, line in provider.reason) == ("down", True)
    # And it is itself again as soon as it answers.
    server.faults = []
    Provider.objects.filter(feed="files").update(is_enabled=False)
    module._feeds.by_provider.clear()
    if "may be made" not in line:
        assert told(fetch(instrument, 0, 5)) == [("exchange", [0, 1, 2, 3, 4])]
        provider.refresh_from_db()
        assert (provider.state, provider.reason) == ("idle", "")
        assert provider.last_message_at is not None


@pytest.mark.parametrize(
    ("fault", "seconds"), [(fake.LIMITED, (4, 5)), (fake.LIMITED_FOR_7_SECONDS, (6, 7))]
)
def test_fetch_history_when_limited_holds_every_worker_back(
    fault: Fault, seconds: tuple[int, int], server: ExchangeServer, instrument: Instrument
) -> None:
    provider = exchange(server)
    server.faults = [fault]
    with pytest.raises(HistoryUnavailableError):
        fetch(instrument, 0, 5)
    another = feed_of(provider, longest_wait_seconds=1.0)
    with pytest.raises(BudgetExhaustedError, match=rf"may be made in ({seconds[0]}|{seconds[1]})"):
        another.budget.take()
    assert server.calls_of("/klines") == 1


def test_fetch_history_when_the_budget_is_spent_takes_the_next(
    server: ExchangeServer, instrument: Instrument, tmp_path: Path
) -> None:
    exchange(server, requests_per_second=0.01, burst=3)
    folder(tmp_path, 0)
    # Two calls: the markets and the bars; the third is the last of the burst.
    names = [told(fetch(instrument, 0, 1))[0][0] for _ in range(3)]
    assert names == ["exchange", "exchange", "files"]


def test_fetch_history_when_some_are_wanted_fills_up_from_the_next(
    server: ExchangeServer, instrument: Instrument, tmp_path: Path
) -> None:
    folder(tmp_path, 0, 1, 3, priority=0)
    exchange(server)
    wanted = to_micros(T0) + np.arange(5) * MINUTE_MICROS
    found = fetch(instrument, 0, 5, wanted=wanted)
    assert told(found) == [("files", [0, 1, 3]), ("exchange", [2, 4])]
    assert minutes(found.bars) == [0, 1, 2, 3, 4]
    # Who has all that is wanted is enough.
    assert told(fetch(instrument, 0, 5, wanted=wanted[:2])) == [("files", [0, 1, 3])]


def test_fetch_history_when_the_first_has_none_asks_the_next(
    server: ExchangeServer, instrument: Instrument, tmp_path: Path
) -> None:
    folder(tmp_path, 0, 1, priority=0)
    exchange(server)
    assert told(fetch(instrument, 10, 12)) == [("exchange", [10, 11])]


def test_fetch_history_when_all_answer_with_nothing_is_empty(
    server: ExchangeServer, instrument: Instrument
) -> None:
    exchange(server)
    found = fetch(instrument, -20, -10)
    assert (found.parts, len(found.bars)) == ((), 0)


def test_fetch_history_when_nobody_offers_it_says_so(
    server: ExchangeServer, instrument: Instrument
) -> None:
    with pytest.raises(NoProviderError, match="no enabled provider has 1m history of BINANCE:BTC"):
        fetch(instrument, 0, 1)
    Provider.objects.create(name="stocks", feed="sample_stocks")
    Provider.objects.create(name="bridge", feed="websocket", options={"url": "ws://h/"})
    with pytest.raises(NoProviderError):
        fetch(instrument, 0, 1)
    exchange(server)
    Instrument.objects.update(venue="ELSEWHERE")
    instrument.refresh_from_db()
    with pytest.raises(NoProviderError):
        fetch(instrument, 0, 1)


def test_fetch_history_when_all_fail_names_each_in_one_line(
    server: ExchangeServer, instrument: Instrument, tmp_path: Path
) -> None:
    exchange(server)
    Provider.objects.create(name="gone", feed="no_such_feed")
    Provider.objects.create(name="wrong", feed="files", options={"folder": "x"})
    server.stop()
    with pytest.raises(HistoryUnavailableError) as refused:
        fetch(instrument, 0, 5)
    line = str(refused.value)
    assert "\n" not in line
    for part in ("NetworkError", "gone: unknown feed", "wrong: option 'folder'"):
        assert part in line


def test_fetch_history_when_a_symbol_is_mapped_asks_for_that(
    server: ExchangeServer, instrument: Instrument
) -> None:
    provider = exchange(server)
    Instrument.objects.update(venue="KRAKEN", symbol="XBTUSDT")
    instrument.refresh_from_db()
    ProviderSymbol.objects.create(provider=provider, instrument=instrument, symbol="BTC/USDT")
    assert told(fetch(instrument, 0, 2)) == [("exchange", [0, 1])]


def test_fetch_history_when_a_row_is_bad_counts_it_and_keeps_the_rest(
    instrument: Instrument, scripted: Callable[[BarSeries], Provider]
) -> None:
    bars = series(0, 1, 2, 3)
    bars.high[2] = 0.5
    scripted(bars)
    found = fetch(instrument, 0, 5)
    assert told(found) == [("script", [0, 1, 3])]
    assert found.refused == {"high is below low": 1}


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (lambda: series(0, 1, 3, 2), "time goes backwards or stands still"),
        (lambda: series(0, 1, 1, 2), "time goes backwards or stands still"),
        (lambda: series(*range(30), *range(30, 150, 5)), "holds bars of 5m, not only 1m"),
        (lambda: series(*range(0, 300, 5)), "holds bars of 5m, not only 1m"),
        (lambda: series(*range(5), price=-1.0), "every one of 5 bars was refused: a price is zero"),
    ],
)
def test_fetch_history_when_the_answer_cannot_be_true_takes_the_next(
    answer: Callable[[], BarSeries],
    line: str,
    instrument: Instrument,
    scripted: Callable[[BarSeries], Provider],
    tmp_path: Path,
) -> None:
    scripted(answer())
    folder(tmp_path, 0, 1)
    found = fetch(instrument, 0, 1000)
    assert told(found) == [("files", [0, 1])]
    assert line in found.failures[0]


def test_fetch_history_when_the_adapter_has_a_fault_takes_the_next(
    instrument: Instrument, scripted: Callable[[Any], Provider], tmp_path: Path
) -> None:
    scripted(KeyError("candles"))
    folder(tmp_path, 0)
    found = fetch(instrument, 0, 5)
    assert told(found) == [("files", [0])]
    assert "fault in the feed 'script': KeyError('candles')" in found.failures[0]


@pytest.mark.parametrize(
    ("error", "calls", "raised"),
    [
        (UnknownSymbolError("no"), 1, NoProviderError),
        (FeedUnavailableError("no"), 3, HistoryUnavailableError),
    ],
)
def test_fetch_history_when_asking_again_changes_nothing_asks_once(
    error: Exception,
    calls: int,
    raised: type[Exception],
    instrument: Instrument,
    scripted: Callable[[Any], Provider],
) -> None:
    scripted(error)
    with pytest.raises(raised):
        fetch(instrument, 0, 5)
    assert ScriptedFeed.calls == calls


def test_gap_when_the_exchange_sends_an_error_page_is_filled_from_the_folder(
    server: ExchangeServer, instrument: Instrument, tmp_path: Path
) -> None:
    instrument.calendar = "24/7"
    instrument.save()
    held = series(0, 1, 2, 3, 8, 9)
    store_bars(instrument_id=instrument.pk, timeframe=Timeframe.M1, bars=held)
    find_gaps(instrument=instrument, timeframe=Timeframe.M1)
    assert holes(instrument) == [(4, 4, "open")]
    exchange(server)
    second = folder(tmp_path, *range(10))
    server.faults = [fake.PAGE_WITH_STATUS_200] * 3
    quickly = partial(fetch_history, sleep=Sleeper())
    done = backfill_gaps(instrument=instrument, fetch=quickly, is_patient=False)
    assert (done.gaps, done.stored, done.absent, done.failed) == (1, 4, 0, 1)
    assert holes(instrument) == [(4, 4, "filled")]
    stored = Bar.objects.filter(instrument=instrument).order_by("opened_at")
    sources = [None] * 4 + [second.pk] * 4 + [None] * 2
    assert list(stored.values_list("source_id", flat=True)) == sources


def holes(instrument: Instrument) -> list[tuple[int, int, str]]:
    """Return first minute, bars and state of every gap."""
    gaps = DataGap.objects.filter(instrument=instrument)
    return [((one.first_opened_at - T0) // MINUTE, one.bars, one.state) for one in gaps]


def test_fetch_history_when_asked_often_keeps_the_exchange_s_markets_until_the_row_changes(
    server: ExchangeServer, instrument: Instrument
) -> None:
    provider = exchange(server)
    for _ in range(3):
        fetch(instrument, 0, 2)
    assert (server.calls_of("/exchangeInfo"), server.calls_of("/klines")) == (1, 3)
    provider.options["timeout_seconds"] = 3.0
    provider.save()
    fetch(instrument, 0, 2)
    assert server.calls_of("/exchangeInfo") == 2
    mine = module._kept_feed(provider, 1.0)
    with ThreadPoolExecutor(1) as another_thread:
        assert another_thread.submit(module._kept_feed, provider, 1.0).result() is not mine
    assert module._kept_feed(provider, 1.0) is mine


def test_providers_in_order_when_one_failed_just_now_puts_it_last() -> None:
    names = ("a", "b", "c")
    rows = [
        Provider.objects.create(name=name, feed="files", priority=n) for n, name in enumerate(names)
    ]
    assert report_health(provider_id=rows[0].pk, state="down", reason="no\nway")
    assert [one.name for one in providers_in_order()] == ["b", "c", "a"]
    Provider.objects.update(state_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert [one.name for one in providers_in_order()] == ["a", "b", "c"]
    rows[0].refresh_from_db()
    assert rows[0].reason == "no way"


def test_fetch_history_when_a_live_link_is_connected_leaves_its_state_alone(
    server: ExchangeServer, instrument: Instrument
) -> None:
    provider = exchange(server, state="connected")
    server.faults = [fake.BROKEN] * 3
    with pytest.raises(HistoryUnavailableError):
        fetch(instrument, 0, 5)
    provider.refresh_from_db()
    assert (provider.state, provider.reason) == ("connected", "")


def test_checked_when_trading_is_thin_takes_it() -> None:
    chance = np.random.default_rng(5)
    thin = np.unique(chance.integers(0, 5000, 300))
    bars, refused = checked(series(*thin.tolist()), Timeframe.M1, None)
    assert (len(bars), refused) == (len(thin), {})


def test_checked_when_empty_is_empty() -> None:
    bars, refused = checked(series(), Timeframe.M1, None)
    assert (len(bars), refused) == (0, {})


def test_checked_when_a_bar_is_still_open_leaves_it_out() -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    ahead = (now - T0) // MINUTE
    bars, refused = checked(series(ahead - 1, ahead), Timeframe.M1, None)
    assert (minutes(bars), refused) == ([ahead - 1], {"the bar has not closed yet": 1})


@pytest.mark.parametrize("hour", [0, 5])  # midnight UTC, midnight in New York
def test_on_sessions_when_days_are_labelled_by_midnight_gives_their_sessions(hour: int) -> None:
    labels = [datetime(2024, 7, day, hour, tzinfo=UTC) for day in (2, 3, 5)]
    opened_at = np.array([to_micros(at) for at in labels])
    ones = np.ones(3)
    bars = BarSeries(opened_at, opened_at + 86_400_000_000, ones, ones, ones, ones, ones)
    moved = on_sessions(bars, Timeframe.D1, calendar_named("NYSE"))
    assert [from_micros(at).isoformat() for at in moved.opened_at] == [
        "2024-07-02T13:30:00+00:00", "2024-07-03T13:30:00+00:00", "2024-07-05T13:30:00+00:00",
    ]  # fmt: skip
    assert from_micros(moved.closed_at[1]).isoformat() == "2024-07-03T17:00:00+00:00"  # half day
    for name in ("", "24/7", "FX"):
        assert on_sessions(bars, Timeframe.D1, calendar_named(name)) is bars


@pytest.mark.parametrize(
    ("feed", "options", "line"),
    [
        ("nowhere", {}, "unknown feed 'nowhere'; known: ccxt, files"),
        ("replay", {}, "'replay' cannot be a provider"),
        ("ccxt", {"exchange": "binance", "base_url": "x"}, "option 'base_url' must begin with"),
        ("files", ["/bars"], "options must be names and values"),
        ("websocket", {"url": "ws://me:secret@h/"}, "must not hold a user or a password"),
    ],
)
def test_provider_when_its_options_are_bad_is_refused_in_one_line(
    feed: str, options: Any, line: str
) -> None:
    provider = Provider(name="x", feed=feed, options=options)
    with pytest.raises(ValidationError) as refused:
        provider.full_clean()
    (said,) = refused.value.messages
    assert line in said


def test_provider_when_its_options_are_good_is_accepted(tmp_path: Path) -> None:
    Provider(name="x", feed="files", options={"folder": str(tmp_path)}).full_clean()


class ScriptedFeed(Feed):
    """Answers with what it was told to."""

    name = "script"
    Options = FeedOptions
    answer: Any = None
    calls = 0

    @property
    def capabilities(self) -> FeedCapabilities:
        return FeedCapabilities(has_history=True, timeframes=tuple(Timeframe))

    def history(self, **_: Any) -> BarSeries:
        type(self).calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


@pytest.fixture
def scripted() -> Iterator[Callable[[Any], Provider]]:
    """Return a maker of the provider with the very first claim, which answers as scripted."""
    load_feeds()
    FEEDS.add("script", ScriptedFeed)

    def make(answer: Any) -> Provider:
        ScriptedFeed.answer, ScriptedFeed.calls = answer, 0
        return Provider.objects.create(name="script", feed="script", priority=-1)

    yield make
    del FEEDS._plugins["script"]


def series(*at_minutes: int, price: float = 10.0) -> BarSeries:
    opened_at = to_micros(T0) + np.array(at_minutes, dtype=np.int64) * MINUTE_MICROS
    open_, high, low, close, volume = (np.full(len(at_minutes), price) for _ in range(5))
    return BarSeries(opened_at, opened_at + MINUTE_MICROS, open_, high, low, close, abs(volume))


def test_fetch_when_a_provider_does_not_know_the_symbol_asks_the_next_and_keeps_it_well(
    tmp_path: Path,
) -> None:
    instrument = Instrument.objects.create(
        venue="NYSE", symbol="IBM", calendar="NYSE", tick_size=1, lot_size=1
    )
    folder = Provider.objects.create(
        name="empty folder", feed="files", priority=1, options={"folder": str(tmp_path)}
    )
    asked = {
        "instrument": instrument,
        "timeframe": Timeframe.D1,
        "since": datetime(2005, 1, 3, tzinfo=UTC),
        "until": datetime(2005, 1, 5, tzinfo=UTC),
    }
    with pytest.raises(NoProviderError):
        fetch_history(**asked)
    Provider.objects.create(name="sample", feed="sample_stocks", priority=2)
    found = fetch_history(**asked)
    assert ([part.provider for part in found.parts], found.failures) == (["sample"], ())
    folder.refresh_from_db()
    assert folder.state == "idle"
