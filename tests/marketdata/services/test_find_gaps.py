"""The gap ledger follows the record: gaps open, grow, part, merge and are filled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bars import BarSeries, Timeframe, to_micros
from marketdata.models import Bar, DataGap, Instrument, Seal, Stream
from marketdata.services.find_gaps import FoundGaps, find_gaps
from marketdata.services.ingest_bars import store_bars

pytestmark = pytest.mark.django_db
T0 = datetime(2024, 7, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
M1 = Timeframe.M1


@pytest.fixture
def instrument() -> Instrument:
    return Instrument.objects.create(
        venue="TEST",
        symbol="ONE",
        kind="crypto",
        calendar="24/7",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
    )


def store(instrument: Instrument, *minutes: int) -> None:
    """Store the bars that open so many minutes after T0."""
    opened_at = to_micros(T0) + np.array(minutes, dtype=np.int64) * 60_000_000
    price = np.full(len(minutes), 10.0)
    bars = BarSeries(opened_at, opened_at + 60_000_000, price, price, price, price, price)
    store_bars(instrument_id=instrument.pk, timeframe=M1, bars=bars)


def seal(instrument: Instrument, minute: int) -> Stream:
    """Let a stream of the series be sealed up to so many minutes after T0."""
    at = T0 + minute * MINUTE
    stream, _ = Stream.objects.update_or_create(
        name="live",
        defaults={"kind": "live", "feed": "none", "timeframes": ["1m"], "sealed_to": at},
    )
    stream.instruments.add(instrument)
    Seal.objects.get_or_create(stream=stream, closed_at=at, defaults={"bars": 1, "lag_ms": 0})
    return stream


def look(instrument: Instrument, since: int | None = None) -> FoundGaps:
    begin = None if since is None else T0 + since * MINUTE
    return find_gaps(instrument=instrument, timeframe=M1, since=begin)


def ledger() -> list[tuple[int, int, int, str]]:
    """Return (first, last, bars, state) of every gap, in minutes after T0."""
    return [
        (
            (gap.first_opened_at - T0) // MINUTE,
            (gap.last_opened_at - T0) // MINUTE,
            gap.bars,
            gap.state,
        )
        for gap in DataGap.objects.order_by("first_opened_at")
    ]


def test_find_gaps_when_no_calendar_knows_nothing(instrument: Instrument) -> None:
    instrument.calendar = ""
    store(instrument, 0, 5)
    assert look(instrument) == FoundGaps(is_known=False)
    assert ledger() == []


def test_find_gaps_when_calendar_was_taken_away_blocks_nothing(instrument: Instrument) -> None:
    store(instrument, 0, 5)
    look(instrument)
    instrument.calendar = ""
    assert look(instrument) == FoundGaps(is_known=False)
    assert ledger() == []


def test_find_gaps_when_no_bars_finds_none(instrument: Instrument) -> None:
    seal(instrument, 9)
    assert look(instrument) == FoundGaps(is_known=True)


def test_find_gaps_when_bars_miss_opens_a_gap_each_once(instrument: Instrument) -> None:
    store(instrument, 0, 1, 4, 5, 9)
    assert look(instrument) == FoundGaps(is_known=True, open_gaps=2, missing=5, new=2)
    assert ledger() == [(2, 3, 2, "open"), (6, 8, 3, "open")]
    first = DataGap.objects.order_by("first_opened_at")[0]
    assert (first.known_from, first.settled_to) == (T0 + 3 * MINUTE, None)
    assert look(instrument) == FoundGaps(is_known=True, open_gaps=2, missing=5)
    assert DataGap.objects.order_by("first_opened_at")[0] == first


def test_find_gaps_when_stream_is_ahead_expects_up_to_its_seal(instrument: Instrument) -> None:
    store(instrument, 0, 1)
    seal(instrument, 4)
    look(instrument)
    assert ledger() == [(2, 3, 2, "open")]
    seal(instrument, 6)
    assert look(instrument) == FoundGaps(is_known=True, open_gaps=1, missing=4)
    assert ledger() == [(2, 5, 4, "open")]


def test_find_gaps_when_history_lies_ahead_finds_its_holes(instrument: Instrument) -> None:
    seal(instrument, 2)
    store(instrument, 0, 1, 5)
    look(instrument)
    assert ledger() == [(2, 4, 3, "open")]


def test_find_gaps_when_all_arrived_is_filled_from_the_logical_now(
    instrument: Instrument,
) -> None:
    store(instrument, 0, 3)
    seal(instrument, 8)
    store(instrument, 4, 5, 6, 7)
    look(instrument)
    store(instrument, 1, 2)
    assert look(instrument) == FoundGaps(is_known=True, filled=1)
    gap = DataGap.objects.get()
    # Nobody had known of it before it was looked for.
    assert (gap.state, gap.settled_to, gap.known_from) == (
        "filled",
        T0 + 8 * MINUTE,
        T0 + 8 * MINUTE + timedelta(microseconds=1),
    )
    # The bars count from the same instant on.
    assert set(Bar.objects.filter(opened_at=gap.first_opened_at).values_list("known_at")) == {
        (T0 + 8 * MINUTE,)
    }


def test_find_gaps_when_filled_without_a_stream_blocks_nothing_later(
    instrument: Instrument,
) -> None:
    store(instrument, 0, 3)
    look(instrument)
    store(instrument, 1, 2)
    look(instrument)
    gap = DataGap.objects.get()
    assert (gap.state, gap.settled_to) == ("filled", gap.known_from)


def test_find_gaps_when_the_middle_arrived_parts_the_gap(instrument: Instrument) -> None:
    store(instrument, 0, 9)
    look(instrument)
    DataGap.objects.update(attempts=3, last_error="timeout")
    store(instrument, 4, 5)
    assert look(instrument) == FoundGaps(is_known=True, open_gaps=2, missing=6, new=1, filled=1)
    assert ledger() == [(1, 3, 3, "open"), (4, 5, 2, "filled"), (6, 8, 3, "open")]
    assert list(DataGap.objects.filter(state="open").values_list("attempts", "last_error")) == [
        *[(3, "timeout")] * 2,
    ]


def test_find_gaps_when_the_start_arrived_keeps_one_row_for_each_part(
    instrument: Instrument,
) -> None:
    store(instrument, 0, 9)
    look(instrument)
    store(instrument, 1, 2)
    look(instrument)
    assert ledger() == [(1, 2, 2, "filled"), (3, 8, 6, "open")]


def test_find_gaps_when_bars_vanish_opens_and_merges(instrument: Instrument) -> None:
    store(instrument, 0, 2, 3, 5)
    look(instrument)
    store(instrument, 4)
    look(instrument)
    assert ledger() == [(1, 1, 1, "open"), (4, 4, 1, "filled")]
    Bar.objects.filter(opened_at__in=[T0 + minute * MINUTE for minute in (2, 3, 4)]).delete()
    look(instrument)
    assert ledger() == [(1, 4, 4, "open"), (4, 4, 1, "filled")]


@pytest.mark.parametrize("state", ["absent", "accepted"])
def test_find_gaps_when_settled_otherwise_stays(instrument: Instrument, state: str) -> None:
    store(instrument, 0, 3)
    look(instrument)
    DataGap.objects.update(state=state, settled_to=T0, settled_by="somebody")
    store(instrument, 6)
    look(instrument)
    assert ledger() == [(1, 2, 2, state), (4, 5, 2, "open")]


def test_find_gaps_when_calendar_changed_drops_what_is_none(instrument: Instrument) -> None:
    store(instrument, 0, 5)
    look(instrument)
    assert ledger() == [(1, 4, 4, "open")]
    instrument.calendar = "NYSE"  # closed at midnight UTC
    instrument.save()
    assert look(instrument) == FoundGaps(is_known=True)
    assert ledger() == []


def test_find_gaps_when_since_looks_at_the_end_alone(instrument: Instrument) -> None:
    many = 20_000  # minutes: more than the look back
    store(instrument, 0, *range(5, many), many + 3)
    assert look(instrument, since=many - 100).missing == 3
    assert ledger() == [(many, many + 2, 3, "open")]
    look(instrument)
    assert ledger() == [(1, 4, 4, "open"), (many, many + 2, 3, "open")]
    # A gap that reaches into the span is seen whole, an older one left alone.
    store(instrument, 1, many)
    look(instrument, since=many + 2)
    assert ledger() == [
        *((1, 4, 4, "open"), (many, many, 1, "filled"), (many + 1, many + 2, 2, "open")),
    ]


def test_find_gaps_when_since_precedes_the_series_expects_nothing_before(
    instrument: Instrument,
) -> None:
    store(instrument, 100, 102)
    look(instrument, since=0)
    assert ledger() == [(101, 101, 1, "open")]


STEPS = st.lists(st.sets(st.integers(1, 18), max_size=6), min_size=1, max_size=6)


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STEPS, st.booleans())
def test_find_gaps_when_bars_arrive_in_any_order_ends_the_same(
    instrument: Instrument, steps: list[set[int]], is_sealed: bool
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM marketdata_datagap")
        cursor.execute("DELETE FROM marketdata_bar")
    store(instrument, 0, 19)
    if is_sealed:
        seal(instrument, 20)
    arrived: set[int] = set()
    look(instrument)
    for step in steps:
        arrived |= step
        if step:
            store(instrument, *sorted(step))
        look(instrument)
        look(instrument)
    missing = [minute for minute in range(1, 19) if minute not in arrived]
    rows = ledger()
    # Every missing minute lies in exactly one open gap, every arrived one in one filled gap.
    covered = {
        state: [m for a, b, _, s in rows if s == state for m in range(a, b + 1)]
        for state in ("open", "filled")
    }
    assert covered == {"open": missing, "filled": sorted(arrived)}
    starts = [m for m in missing if m - 1 not in missing]
    assert [first for first, _, _, state in rows if state == "open"] == starts
