import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ticks import TICK, TickArray
from marketdata.tick_frames import (
    CLOCK_SKEW_MICROS,
    HEAD,
    MAGIC,
    VERSION,
    BadFrameError,
    TickReason,
    check_ticks,
    decode_frame,
    encode_frame,
)

NOW = 1_700_000_000_000_000


def some_ticks(count: int) -> TickArray:
    """Return `count` fine ticks."""
    rng = np.random.default_rng(3)
    ticks = np.zeros(count, dtype=TICK)
    ticks["ts"] = NOW - rng.integers(0, 10**9, count)
    ticks["price"] = rng.uniform(1, 1000, count)
    ticks["size"] = np.where(rng.random(count) < 0.2, np.nan, rng.uniform(0, 10, count))
    ticks["instrument"] = rng.integers(1, 2**31 - 1, count)
    ticks["side"] = rng.integers(-1, 2, count)
    return ticks


@pytest.mark.parametrize("count", [0, 1, 200, 5000])
def test_frame_when_decoded_holds_the_same_ticks(count: int) -> None:
    ticks = some_ticks(count)
    frame = decode_frame(encode_frame(ticks, NOW))
    assert frame.packed_at == NOW
    assert frame.ticks.tobytes() == ticks.tobytes()
    assert frame.ticks.dtype == TICK
    assert not frame.ticks.flags.writeable
    assert frame.ticks.flags.aligned


def test_frame_when_rows_come_packed_is_laid_out_again() -> None:
    ticks = some_ticks(4)
    packed = np.concatenate([ticks, ticks])
    assert packed.dtype.itemsize < TICK.itemsize  # what numpy makes of it
    frame = decode_frame(encode_frame(packed, NOW))
    assert frame.ticks["ts"].tolist() == ticks["ts"].tolist() * 2


@given(st.data())
def test_frame_when_cut_or_longer_is_refused(data: st.DataObject) -> None:
    frame = encode_frame(some_ticks(5), NOW)
    kept = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(BadFrameError):
        decode_frame(frame[:kept])
    with pytest.raises(BadFrameError):
        decode_frame(frame + data.draw(st.binary(min_size=1, max_size=80)))


@given(st.binary(max_size=300))
def test_frame_when_foreign_bytes_come_is_refused(junk: bytes) -> None:
    if junk[:4] == MAGIC:
        return
    with pytest.raises(BadFrameError):
        decode_frame(junk)


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (HEAD.pack(b"JSON", VERSION, 32, 0, NOW), "no tick frame"),
        (HEAD.pack(MAGIC, VERSION + 1, 32, 0, NOW), "version 2"),
        (HEAD.pack(MAGIC, VERSION, 33, 0, NOW), "33 bytes a tick"),
        (HEAD.pack(MAGIC, VERSION, 32, 2**32 - 1, NOW), "damaged"),
    ],
)
def test_frame_when_head_lies_says_why(head: bytes, word: str) -> None:
    with pytest.raises(BadFrameError, match=word) as refused:
        decode_frame(head)
    assert refused.value.code == "bad_tick_frame"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("price", 100.0, TickReason.FINE),
        ("price", np.nan, TickReason.PRICE_NOT_FINITE),
        ("price", np.inf, TickReason.PRICE_NOT_FINITE),
        ("price", -np.inf, TickReason.PRICE_NOT_FINITE),
        ("price", 0.0, TickReason.PRICE_NOT_POSITIVE),
        ("price", -1.0, TickReason.PRICE_NOT_POSITIVE),
        ("price", 1e15, TickReason.TOO_LARGE),
        ("size", np.nan, TickReason.FINE),
        ("size", 0.0, TickReason.FINE),
        ("size", 1e18, TickReason.TOO_LARGE),
        ("size", np.inf, TickReason.TOO_LARGE),
        ("size", -0.5, TickReason.SIZE_NEGATIVE),
        ("size", -np.inf, TickReason.SIZE_NEGATIVE),
        ("side", 2, TickReason.SIDE_UNKNOWN),
        ("side", -128, TickReason.SIDE_UNKNOWN),
        ("ts", NOW + CLOCK_SKEW_MICROS, TickReason.FINE),
        ("ts", NOW + CLOCK_SKEW_MICROS + 1, TickReason.IN_THE_FUTURE),
        ("ts", 2**63 - 1, TickReason.IN_THE_FUTURE),
        ("ts", -1, TickReason.BEFORE_1970),
    ],
)
def test_check_ticks_when_one_field_is_off_names_the_reason(
    field: str, value: float, reason: TickReason
) -> None:
    ticks = some_ticks(3)
    ticks[field][1] = value
    assert check_ticks(ticks, now_micros=NOW).tolist() == [0, reason, 0]
