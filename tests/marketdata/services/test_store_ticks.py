from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ticks import TICK, Tick, TickArray, joined_ticks, tick_array
from marketdata.models import Instrument, Provider
from marketdata.models import Tick as StoredTick
from marketdata.services.store_ticks import places_in_instant, store_ticks

AT = datetime(2024, 3, 1, 9, 15, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def instruments() -> list[int]:
    terms = {"tick_size": Decimal("0.01"), "lot_size": Decimal(1)}
    return [
        Instrument.objects.create(venue="LAB", symbol=name, **terms).pk for name in ("ONE", "TWO")
    ]


def stored() -> list[tuple[object, ...]]:
    return list(
        StoredTick.objects.order_by("instrument_id", "ts", "seq").values_list(
            "instrument_id", "ts", "seq", "price", "size", "side", "source__name"
        )
    )


@pytest.mark.django_db
def test_ticks_when_stored_twice_are_there_once_and_in_order() -> None:
    one, two = instruments()
    source = Provider.objects.create(name="bridge", feed="websocket")
    ticks = tick_array(
        [
            Tick(one, AT, 10.0, 1.0, 1),
            Tick(two, AT, 20.0),
            Tick(one, AT, 10.1, 2.0, -1),
            Tick(one, AT + MOMENT, 10.2, 3.0),
            Tick(one, AT, 10.3, 4.0),
        ]
    )
    first = store_ticks(ticks=ticks, source_id=source.pk)
    second = store_ticks(ticks=ticks, source_id=source.pk)
    assert (first.inserted, first.unchanged) == (5, 0)
    assert (second.inserted, second.unchanged, second.differing) == (0, 5, ())
    assert stored() == [
        (one, AT, 0, 10.0, 1.0, 1, "bridge"),
        (one, AT, 1, 10.1, 2.0, -1, "bridge"),
        (one, AT, 2, 10.3, 4.0, 0, "bridge"),
        (one, AT + MOMENT, 0, 10.2, 3.0, 0, "bridge"),
        (two, AT, 0, 20.0, None, 0, "bridge"),
    ]


@pytest.mark.django_db
def test_ticks_when_there_are_none_cost_no_statement(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert store_ticks(ticks=np.zeros(0, dtype=TICK)).inserted == 0


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), max_size=40))
def test_places_when_counted_equal_a_plain_count(rows: list[tuple[int, int]]) -> None:
    ticks: TickArray = joined_ticks([])
    if rows:
        ticks = tick_array([Tick(one, AT + ts * MOMENT, 1.0) for one, ts in rows])
    seen: dict[tuple[int, int], int] = {}
    expected = []
    for row in rows:
        expected.append(seen.get(row, 0))
        seen[row] = expected[-1] + 1
    assert places_in_instant(ticks).tolist() == expected
