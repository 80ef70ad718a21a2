"""Rows arrive in bulk exactly as they were given, once, whatever else is there."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.bars import to_micros
from marketdata.models import Instrument, OptionQuote, Tick
from marketdata.services.staging import (
    OPTION_QUOTES,
    TICKS,
    StagedRows,
    StagingError,
    TableStaging,
)

pytestmark = pytest.mark.django_db

T0 = datetime(2023, 12, 31, 23, 59, 59, tzinfo=UTC)
NAMES = ("ts", "seq", "price", "size", "side", "exchange", "cond", "is_suspicious", "trade_id")


@pytest.fixture
def instrument(db: None) -> Instrument:
    return Instrument.objects.create(venue="TEST", symbol="ONE", tick_size=1, lot_size=1)


def columns(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return rows of (seconds, seq, price, size, side, exchange, cond, mark, trade id)."""
    given = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    ids = [one or 0 for one in given["trade_id"]]
    return {
        "ts": np.array([to_micros(T0) + at * 1_000_000 for at in given["ts"]], dtype=np.int64),
        "seq": np.array(given["seq"], dtype=np.int64),
        "price": np.array(given["price"]),
        "size": np.array([np.nan if one is None else one for one in given["size"]]),
        "side": np.array(given["side"]),
        "exchange": np.array(given["exchange"]),
        "cond": np.array(given["cond"]),
        "is_suspicious": np.array(given["is_suspicious"]),
        "trade_id": np.ma.array(ids, mask=[one is None for one in given["trade_id"]]),
    }


def load(instrument: Instrument, rows: list[tuple[Any, ...]]) -> StagedRows:
    with TableStaging(TICKS) as staging:
        staging.add(columns(rows), np.arange(2, 2 + len(rows)))
        return staging.store(instrument_id=instrument.pk)


def stored() -> list[tuple[Any, ...]]:
    rows = Tick.objects.order_by("ts", "seq").values_list(*NAMES)
    return [(round((row[0] - T0).total_seconds()), *row[1:]) for row in rows]


ROWS = [
    (0, 0, 10.5, 100.0, 1, "N", "", False, 7),
    (0, 1, 10.25, None, -1, "", "20002020", True, None),
    (2, 0, 1e-9, 0.0, 0, "PÄ", "x", False, 2**62),
]


def test_rows_when_staged_are_stored_to_the_bit_over_a_month_end(instrument: Instrument) -> None:
    assert load(instrument, ROWS) == StagedRows(3, 0)
    assert stored() == ROWS
    assert load(instrument, ROWS) == StagedRows(0, 3)


def test_rows_when_a_key_holds_other_values_are_named_and_change_nothing(
    instrument: Instrument,
) -> None:
    load(instrument, ROWS)
    other = (0, 1, 10.5, 5.0, -1, "", "20002020", True, None)
    assert load(instrument, [other, (3, 0, 9.0, 1.0, 0, "", "", False, None)]) == StagedRows(
        1, 0, (2,)
    )
    assert stored()[:3] == ROWS


def test_rows_when_they_carry_their_instrument_go_to_it(instrument: Instrument) -> None:
    other = Instrument.objects.create(venue="TEST", symbol="TWO", tick_size=1, lot_size=1)
    values = {name: np.array([np.nan, 2.0]) for name, kind in OPTION_QUOTES.columns}
    values["instrument_id"] = np.array([instrument.pk, other.pk])
    values["observed_at"] = np.array([to_micros(T0)] * 2)
    for expected in (StagedRows(2, 0), StagedRows(0, 2)):
        with TableStaging(OPTION_QUOTES) as staging:
            staging.add(values, np.arange(2))
            assert staging.store(instrument_id=None) == expected
    assert list(OptionQuote.objects.order_by("bid").values_list("instrument_id", "bid")) == [
        (other.pk, 2.0),
        (instrument.pk, None),
    ]


def test_rows_when_a_column_is_missing_are_refused(instrument: Instrument) -> None:
    with pytest.raises(StagingError, match="columns"), TableStaging(TICKS) as staging:
        staging.add({"ts": np.array([1])}, np.arange(1))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 9),
            st.integers(0, 3),
            st.floats(1e-9, 1e12),
            st.none() | st.floats(0, 1e12),
            st.sampled_from((1, -1, 0)),
            st.text("ABÄ€", max_size=4),
            st.text("xyz09", max_size=8),
            st.booleans(),
            st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda row: row[:2],
    ),
    cut=st.integers(0, 30),
)
def test_rows_when_cut_and_doubled_anyhow_give_the_same_table(
    instrument: Instrument, rows: list[tuple[Any, ...]], cut: int
) -> None:
    Tick.objects.filter(instrument=instrument).delete()
    for part in (rows[cut:], rows, rows[:cut]):
        if part:
            load(instrument, part)
    assert stored() == sorted(rows, key=lambda row: row[:2])
