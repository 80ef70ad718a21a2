"""Ticks on the wire: many in one packed frame, and what makes a tick unusable."""

import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from domain.errors import PlumblineError
from domain.ticks import TICK, TickArray
from marketdata.data_quality import HIGHEST_PRICE, HIGHEST_VOLUME

ReasonArray = NDArray[np.uint8]

MAGIC = b"PLTK"
VERSION = 1
# Magic, version, bytes per tick, ticks, packed at; 24 bytes, so that the ticks lie aligned.
HEAD = struct.Struct("<4sHHI4xq")
# 200 in one entry move 58 times as many ticks a second through Redis as one entry each.
TICKS_PER_FRAME = 200
MOST_TICKS = 1_000_000  # a length that says more is damage, not data
# Clocks of exchanges and ours differ by parts of a second; a tick from further ahead is a lie.
CLOCK_SKEW_MICROS = 5_000_000


class BadFrameError(PlumblineError):
    """The bytes are no frame of ticks, or not all of one."""

    code = "bad_tick_frame"


@dataclass(frozen=True, slots=True)
class Frame:
    """Ticks in order of arrival, and when they were packed (epoch micros, the desk's clock)."""

    ticks: TickArray
    packed_at: int


class TickReason(IntEnum):
    """Why a tick is refused; `FINE` when it is not. The first that applies is the one given."""

    FINE = 0
    PRICE_NOT_FINITE = 1
    PRICE_NOT_POSITIVE = 2
    TOO_LARGE = 3
    SIZE_NEGATIVE = 4
    SIDE_UNKNOWN = 5
    IN_THE_FUTURE = 6
    BEFORE_1970 = 7
    UNKNOWN_INSTRUMENT = 8
    LATE = 9


def encode_frame(ticks: TickArray, packed_at: int) -> bytes:
    """Return the ticks as one frame."""
    rows = np.asarray(ticks, dtype=TICK)
    return HEAD.pack(MAGIC, VERSION, TICK.itemsize, len(rows), packed_at) + rows.tobytes()


def decode_frame(frame: bytes) -> Frame:
    """Return the frame, its ticks read in place and not writable; refuse anything but one frame."""
    if len(frame) < HEAD.size:
        raise BadFrameError(f"a tick frame has {HEAD.size} bytes at least, not {len(frame)}")
    magic, version, width, count, packed_at = HEAD.unpack_from(frame)
    if magic != MAGIC:
        raise BadFrameError(f"no tick frame: it begins with {magic!r}")
    if (version, width) != (VERSION, TICK.itemsize):
        raise BadFrameError(
            f"tick frame of version {version} with {width} bytes a tick;"
            f" this desk reads version {VERSION} with {TICK.itemsize}"
        )
    if count > MOST_TICKS or len(frame) != HEAD.size + count * width:
        raise BadFrameError(f"tick frame of {count} ticks has {len(frame)} bytes: damaged")
    return Frame(np.frombuffer(frame, dtype=TICK, count=count, offset=HEAD.size), packed_at)


def check_ticks(ticks: TickArray, *, now_micros: int) -> ReasonArray:
    """Return a `TickReason` per tick (uint8). A NaN size means not known and is fine.

    Unknown instruments and late ticks only the bar builder knows.
    """
    price, ts = ticks["price"], ticks["ts"]
    size = np.where(np.isnan(ticks["size"]), 0.0, ticks["size"])
    tests = (
        (TickReason.PRICE_NOT_FINITE, ~np.isfinite(price)),
        (TickReason.PRICE_NOT_POSITIVE, price <= 0),
        (TickReason.TOO_LARGE, (price >= HIGHEST_PRICE) | (size >= HIGHEST_VOLUME)),
        (TickReason.SIZE_NEGATIVE, size < 0),
        (TickReason.SIDE_UNKNOWN, np.abs(ticks["side"].astype(np.int16)) > 1),
        (TickReason.IN_THE_FUTURE, ts > now_micros + CLOCK_SKEW_MICROS),
        (TickReason.BEFORE_1970, ts < 0),
    )
    reasons = np.zeros(len(ticks), dtype=np.uint8)
    for reason, applies in reversed(tests):
        reasons[applies] = reason
    return reasons
