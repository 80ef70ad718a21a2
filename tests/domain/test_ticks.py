from datetime import UTC, datetime

import numpy as np
import pytest

from domain.ticks import TICK, Tick, joined_ticks, tick_array

AT = datetime(2024, 3, 1, 9, 15, 0, 123456, tzinfo=UTC)


def test_tick_array_when_sizes_are_unknown_holds_nan() -> None:
    rows = tick_array([Tick(7, AT, 10.5, 3.0, -1), Tick(9, AT, 11.0)])
    assert rows.dtype == TICK
    assert rows["instrument"].tolist() == [7, 9]
    assert rows["ts"].tolist() == [1_709_284_500_123_456] * 2
    assert rows["price"].tolist() == [10.5, 11.0]
    assert rows["side"].tolist() == [-1, 0]
    assert rows["size"][0] == 3.0
    assert np.isnan(rows["size"][1])


def test_tick_array_when_time_is_naive_refuses() -> None:
    with pytest.raises(ValueError, match="naive time"):
        tick_array([Tick(1, datetime(2024, 3, 1, 9, 15), 1.0)])


def test_joined_ticks_when_parts_are_joined_keep_their_layout() -> None:
    parts = [tick_array([Tick(number, AT, 1.0, 2.0)]) for number in range(3)]
    joined = joined_ticks(parts)
    assert joined.dtype == TICK
    assert joined.dtype.itemsize == 32
    assert joined["instrument"].tolist() == [0, 1, 2]
    assert len(joined_ticks([])) == 0


def test_tick_when_packed_takes_32_aligned_bytes() -> None:
    assert TICK.itemsize == 32
    assert all(TICK.fields[name][1] % TICK.fields[name][0].itemsize == 0 for name in TICK.names)
