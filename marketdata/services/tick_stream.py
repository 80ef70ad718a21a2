"""The road of live ticks: one Redis Stream of packed frames per desk stream, read by offset.

Frames are written before anything is built from them, and the offset to read from again is
committed with the bars, so a process killed anywhere begins where its bars end. What the stream
no longer holds it says (`has_lost`): those instants are asked of the provider's history.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from domain.ticks import TickArray
from marketdata.tick_frames import TICKS_PER_FRAME, BadFrameError, decode_frame, encode_frame

PREFIX = "plumbline:ticks:"
BEGINNING = "0-0"
# About 640 MB of full frames, or eight minutes of one small frame every 5 ms.
MOST_ENTRIES = 100_000
ENTRIES_PER_READ = 256
UNKNOWN_KEPT = 8 * 86_400_000_000  # a week's bar must still see its first minute

TICKS = b"ticks"
JOINED = b"joined"
LEFT = b"left"


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """One entry: a frame, or the instant (micros) from or up to which ticks are complete, or junk.

    `at` is the desk's clock when it was written.
    """

    id: str
    at: int
    ticks: TickArray | None = None
    joined_at: int | None = None
    left_at: int | None = None
    fault: str = ""


class TickStream:
    """The stream of one desk stream. The client's socket timeout must exceed any `wait_ms`."""

    def __init__(self, redis: Redis, stream_id: int, *, most_entries: int = MOST_ENTRIES) -> None:
        self.key = f"{PREFIX}{stream_id}"
        self._redis = redis
        self._most = most_entries

    def write(self, ticks: TickArray, at: int) -> None:
        """Append the ticks, in order, in frames of at most `TICKS_PER_FRAME`, in one round trip."""
        pipeline = self._redis.pipeline(transaction=False)
        for begin in range(0, len(ticks), TICKS_PER_FRAME):
            frame = encode_frame(ticks[begin : begin + TICKS_PER_FRAME], at)
            self._append(pipeline, TICKS, frame)
        pipeline.execute()

    def write_joined(self, micros: int) -> None:
        """Say that from this instant on the ticks are complete."""
        self._append(self._redis, JOINED, str(micros).encode())

    def write_left(self, micros: int) -> None:
        """Say that after this instant ticks may be missing; 0: after the last tick written."""
        self._append(self._redis, LEFT, str(micros).encode())

    def read(self, after: str, *, wait_ms: int) -> list[StreamEntry]:
        """Return the next entries after the offset, at the latest after `wait_ms` none."""
        found: Any = self._redis.xread(
            {self.key: after or BEGINNING}, count=ENTRIES_PER_READ, block=wait_ms
        )
        streams = found.items() if isinstance(found, dict) else found
        return [_entry(*one) for _, batch in streams for one in _flat(batch)]

    def has_lost(self, cursor: str) -> bool:
        """Tell whether entries after the offset are gone: trimmed, or Redis lost its memory."""
        if not cursor:
            return False
        first: Any = self._redis.xrange(self.key, count=1)
        return not first or _order(first[0][0].decode()) > _order(cursor)

    def acknowledge(self, cursor: str) -> None:
        """Let go of entries before the offset: their bars are committed."""
        if cursor:
            self._redis.xtrim(self.key, minid=cursor, approximate=True)

    def note_unknown(self, instrument_id: int, closed_at: int) -> None:
        """Remember that the base bar closing at the instant could not be had from anyone."""
        self._redis.zadd(f"{self.key}:unknown", {f"{instrument_id}:{closed_at}": closed_at})
        self._redis.zremrangebyscore(f"{self.key}:unknown", 0, closed_at - UNKNOWN_KEPT)

    def unknown_in(self, opened_at: int, closed_at: int) -> set[int]:
        """Return the instruments that lack a base bar of the span: no longer bar is whole there."""
        found: Any = self._redis.zrangebyscore(f"{self.key}:unknown", f"({opened_at}", closed_at)
        return {int(member.partition(b":")[0]) for member in found}

    def __len__(self) -> int:
        return int(self._redis.xlen(self.key))

    def _append(self, redis: Any, field: bytes, value: bytes) -> None:
        redis.xadd(self.key, {field: value}, maxlen=self._most, approximate=True)


def _flat(batch: Sequence[Any]) -> Sequence[Any]:
    """Return the (id, fields) pairs; RESP3 wraps them once more."""
    return batch[0] if batch and isinstance(batch[0], list) else batch


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> StreamEntry:
    name = entry_id.decode()
    try:
        if JOINED in fields:
            return StreamEntry(name, int(fields[JOINED]), joined_at=int(fields[JOINED]))
        if LEFT in fields:
            return StreamEntry(name, int(fields[LEFT]), left_at=int(fields[LEFT]))
        frame = decode_frame(fields.get(TICKS, b""))
        return StreamEntry(name, frame.packed_at, ticks=frame.ticks)
    except (BadFrameError, ValueError) as error:
        # Damage of one entry must not stop those behind it; its reader asks the provider.
        return StreamEntry(name, _order(name)[0] * 1000, fault=str(error))


def _order(entry_id: str) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)
