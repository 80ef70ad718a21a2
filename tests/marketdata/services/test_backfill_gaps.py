"""Gaps are asked for: filled from the next provider, absent when nobody has them, else kept."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from django.utils import timezone

from domain.bars import BarSeries, IntArray, Timeframe, from_micros, to_micros
from marketdata.feeds.registry import load_feeds
from marketdata.models import Bar, DataGap, DataRevision, Instrument, Provider, Seal, Stream
from marketdata.services.backfill_gaps import Backfilled, accept_gap, backfill_gaps, due_at
from marketdata.services.fetch_history import (
    FetchedHistory,
    HistoryPart,
    HistoryUnavailableError,
    NoProviderError,
)
from marketdata.services.find_gaps import find_gaps
from marketdata.services.ingest_bars import store_bars

pytestmark = pytest.mark.django_db
T0 = datetime(2024, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
M1 = Timeframe.M1
Asked = list[tuple[int, int, list[int]]]


@pytest.fixture
def instrument() -> Instrument:
    return make_instrument("ONE")


def make_instrument(symbol: str) -> Instrument:
    return Instrument.objects.create(
        venue="TEST",
        symbol=symbol,
        kind="crypto",
        calendar="24/7",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
    )


def minutes(*places: int) -> BarSeries:
    opened_at = to_micros(T0) + np.array(places, dtype=np.int64) * 60_000_000
    price = 10.0 + np.array(places, dtype=np.float64)
    return BarSeries(opened_at, opened_at + 60_000_000, price, price, price, price, price)


def holed(instrument: Instrument, *places: int) -> None:
    """Store these minutes and open the gaps between them."""
    store_bars(instrument_id=instrument.pk, timeframe=M1, bars=minutes(*places))
    find_gaps(instrument=instrument, timeframe=M1)


def seal(instrument: Instrument, minute: int) -> None:
    at = T0 + minute * MINUTE
    stream = Stream.objects.create(
        name="live", kind="live", feed="none", timeframes=["1m"], sealed_to=at
    )
    stream.instruments.add(instrument)
    Seal.objects.create(stream=stream, closed_at=at, bars=1, lag_ms=0)


class Shelf:
    """A source of history that has some minutes, and notes what it was asked."""

    def __init__(self, *places: int, failures: tuple[str, ...] = ()) -> None:
        self.places, self.failures = places, failures
        self.asked: Asked = []

    def __call__(
        self,
        *,
        instrument: Instrument,
        timeframe: Timeframe,
        since: datetime,
        until: datetime,
        wanted: IntArray,
    ) -> FetchedHistory:
        found = [(one - T0) // MINUTE for one in (since, until)]
        missing = [(from_micros(one) - T0) // MINUTE for one in wanted.tolist()]
        self.asked.append((*found, missing))
        has = [place for place in self.places if found[0] <= place < found[1]]
        provider, _ = Provider.objects.get_or_create(name="shelf", defaults={"feed": "files"})
        parts = (HistoryPart(provider.pk, "shelf", minutes(*has)),) if has else ()
        return FetchedHistory(parts, {}, self.failures)


def refusing(error: Exception) -> Callable[..., FetchedHistory]:
    def fetch(**_: object) -> FetchedHistory:
        raise error

    return fetch


def ledger() -> list[tuple[int, int, str]]:
    rows = DataGap.objects.order_by("instrument_id", "first_opened_at")
    return [
        ((gap.first_opened_at - T0) // MINUTE, (gap.last_opened_at - T0) // MINUTE, gap.state)
        for gap in rows
    ]


def test_backfill_when_provider_has_the_bars_fills_the_gap(instrument: Instrument) -> None:
    seal(instrument, 9)
    holed(instrument, 0, 1, 5, 6, 7, 8)
    shelf = Shelf(*range(20))
    assert backfill_gaps(fetch=shelf) == Backfilled(gaps=1, stored=3)
    assert shelf.asked == [(2, 5, [2, 3, 4])]
    assert ledger() == [(2, 4, "filled")]
    gap = DataGap.objects.get()
    assert (gap.settled_to, gap.attempts) == (T0 + 9 * MINUTE, 0)
    provider = Provider.objects.get()
    filled = Bar.objects.filter(opened_at=T0 + 3 * MINUTE).values_list("source_id", "known_at")
    assert list(filled) == [(provider.pk, T0 + 9 * MINUTE)]
    revision = DataRevision.objects.latest("pk")
    assert (revision.kind, revision.bars, revision.known_from) == (
        *("backfilled", 3, T0 + 9 * MINUTE),
    )
    assert backfill_gaps(fetch=shelf) == Backfilled()


def test_backfill_when_nobody_has_it_is_absent_from_now_on(instrument: Instrument) -> None:
    holed(instrument, 0, 4)
    seal(instrument, 5)
    assert backfill_gaps(fetch=Shelf()) == Backfilled(gaps=1, absent=1)
    gap = DataGap.objects.get()
    assert (gap.state, gap.settled_to, gap.settled_by) == (
        *("absent", T0 + 5 * MINUTE, "no provider has it"),
    )
    assert find_gaps(instrument=instrument, timeframe=M1).open_gaps == 0


def test_backfill_when_part_comes_settles_the_rest(instrument: Instrument) -> None:
    holed(instrument, 0, 9)
    assert backfill_gaps(fetch=Shelf(3, 4)) == Backfilled(gaps=1, stored=2, absent=2)
    assert ledger() == [(1, 2, "absent"), (3, 4, "filled"), (5, 8, "absent")]


def test_backfill_when_one_provider_failed_is_never_absent(instrument: Instrument) -> None:
    holed(instrument, 0, 9)
    shelf = Shelf(3, failures=("other: timeout",))
    assert backfill_gaps(fetch=shelf) == Backfilled(gaps=1, stored=1, failed=1)
    assert ledger() == [(1, 2, "open"), (3, 3, "filled"), (4, 8, "open")]
    rows = DataGap.objects.filter(state="open").values_list("attempts", "last_error")
    assert list(rows) == [(1, "other: timeout")] * 2


@pytest.mark.parametrize(
    "error", [HistoryUnavailableError("all\ndown"), NoProviderError("no enabled provider")]
)
def test_backfill_when_all_fail_counts_the_attempt(
    instrument: Instrument, error: Exception
) -> None:
    holed(instrument, 0, 9)
    assert backfill_gaps(fetch=refusing(error)) == Backfilled(gaps=1, failed=1)
    gap = DataGap.objects.get()
    assert (gap.state, gap.attempts, gap.last_error) == (
        *("open", 1, " ".join(str(error).split())),
    )


def test_backfill_when_just_failed_waits_longer_each_time(instrument: Instrument) -> None:
    holed(instrument, 0, 9)
    fail = refusing(HistoryUnavailableError("down"))
    assert backfill_gaps(fetch=fail).failed == 1
    assert backfill_gaps(fetch=fail) == Backfilled()
    assert backfill_gaps(fetch=fail, is_patient=False).failed == 1
    gap = DataGap.objects.get()
    waits = []
    for gap.attempts in (0, 1, 2, 3, 10, 12):
        waits.append((due_at(gap) - gap.found_at) // MINUTE)
    assert waits == [0, 1, 3, 7, 1023, 1023 + 2 * 1440]


def test_backfill_when_bar_has_only_just_closed_does_not_call_it_absent(
    instrument: Instrument,
) -> None:
    recent = timezone.now().replace(second=0, microsecond=0) - 2 * MINUTE
    gap = DataGap.objects.create(
        instrument=instrument,
        timeframe="1m",
        first_opened_at=recent,
        last_opened_at=recent,
        known_from=recent + MINUTE,
        bars=1,
    )
    assert backfill_gaps(fetch=Shelf()) == Backfilled(gaps=1)
    gap.refresh_from_db()
    assert (gap.state, gap.attempts) == ("open", 0)


def test_backfill_when_gaps_are_close_asks_once_for_all(instrument: Instrument) -> None:
    holed(instrument, 0, 2, 4, *range(400, 403), 1000, 1002)
    shelf = Shelf(1, 3, 1001)
    backfill_gaps(fetch=shelf)
    assert [(since, until) for since, until, _ in shelf.asked] == [
        *((1001, 1002), (403, 1000), (1, 400)),
    ]
    assert shelf.asked[2][2][:3] == [1, 3, 5]
    assert [state for _, _, state in ledger()] == [
        *("filled", "filled", "absent", "absent", "filled"),
    ]


def test_backfill_when_calls_are_limited_begins_with_the_newest(instrument: Instrument) -> None:
    holed(instrument, 0, 2, 1000, 1002)
    other = make_instrument("TWO")
    holed(other, 500, 502)
    shelf = Shelf(1001)
    backfill_gaps(fetch=shelf, most_calls=1)
    assert [(since, until) for since, until, _ in shelf.asked] == [(1001, 1002)]
    assert backfill_gaps(fetch=shelf, instrument=other, timeframe=M1).gaps == 1
    assert backfill_gaps(fetch=shelf, timeframe=Timeframe.M5).gaps == 0


def test_backfill_when_bars_are_there_already_only_settles(instrument: Instrument) -> None:
    holed(instrument, 0, 3)
    store_bars(instrument_id=instrument.pk, timeframe=M1, bars=minutes(1, 2))
    shelf = Shelf()
    assert backfill_gaps(fetch=shelf) == Backfilled(gaps=1)
    assert (shelf.asked, ledger()) == ([], [(1, 2, "filled")])


def test_backfill_when_second_provider_has_the_bars_takes_them_there(
    instrument: Instrument, tmp_path: Path
) -> None:
    load_feeds()
    head = "ts,open,high,low,close,volume\n"
    rows = {"first": (0, 3), "second": (0, 1, 2, 3)}
    for priority, (name, places) in enumerate(rows.items()):
        folder = tmp_path / name
        folder.mkdir()
        lines = [f"{T0 + place * MINUTE:%Y-%m-%dT%H:%M:%SZ},5,6,4,5,9\n" for place in places]
        (folder / "TEST_ONE_1m.csv").write_text(head + "".join(lines))
        Provider.objects.create(
            name=name, feed="files", priority=priority, options={"folder": str(folder)}
        )
    holed(instrument, 0, 3)
    assert backfill_gaps() == Backfilled(gaps=1, stored=2)
    assert ledger() == [(1, 2, "filled")]
    second = Provider.objects.get(name="second")
    assert set(
        Bar.objects.filter(opened_at__in=[T0 + MINUTE, T0 + 2 * MINUTE]).values_list("source_id")
    ) == {(second.pk,)}


def test_backfill_when_daily_bar_has_another_label_takes_the_series_own(
    instrument: Instrument,
) -> None:
    instrument.calendar = "NYSE"
    instrument.save()
    days = to_micros(datetime(2024, 7, 1, tzinfo=UTC)) + np.array([0, 2, 4]) * 86_400_000_000
    price = np.full(3, 10.0)
    store_bars(
        instrument_id=instrument.pk,
        timeframe=Timeframe.D1,
        bars=BarSeries(days, days + 86_400_000_000, price, price, price, price, price),
    )
    find_gaps(instrument=instrument, timeframe=Timeframe.D1)
    session = to_micros(datetime(2024, 7, 2, 13, 30, tzinfo=UTC))

    def fetch(**_: object) -> FetchedHistory:
        opened_at, one = np.array([session]), np.array([11.0])
        bars = BarSeries(opened_at, opened_at + 23_400_000_000, one, one, one, one, one)
        return FetchedHistory((HistoryPart(7, "sessions", bars),))

    assert backfill_gaps(fetch=fetch) == Backfilled(gaps=1, stored=1)
    stored = Bar.objects.filter(source_id=7).values_list("opened_at", "closed_at")
    assert list(stored) == [(T0 + timedelta(days=1), T0 + timedelta(days=2))]


def test_accept_gap_when_open_settles_it_once(instrument: Instrument) -> None:
    holed(instrument, 0, 3)
    gap = DataGap.objects.get()
    assert [accept_gap(gap_id=gap.pk, by=by) for by in ("ann", "bob")] == [True, False]
    gap.refresh_from_db()
    assert (gap.state, gap.settled_by, gap.settled_to) == ("accepted", "ann", gap.known_from)
