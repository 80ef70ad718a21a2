"""The packed form of bars: 56 bytes each, as the database sends its own values."""

from collections.abc import Iterator

import numpy as np

from domain.bars import BarSeries

BARS_PER_CHUNK = 64
POSTGRES_EPOCH_MICROS = 946_684_800_000_000
BYTES_PER_BAR = 56
COPY_HEAD_BYTES = 19

# For bars called `b`, oldest first; times are PostgreSQL's microseconds, numbers big-endian.
PACK_SQL = """string_agg(timestamptz_send(b.opened_at) || timestamptz_send(b.closed_at)
    || float8send(b.open) || float8send(b.high) || float8send(b.low) || float8send(b.close)
    || float8send(coalesce(b.volume, 'NaN')), ''::bytea ORDER BY b.opened_at)"""


def unpacked(payload: bytes, *, last: int | None = None) -> BarSeries:
    """Return the packed bars as columns, the `last` ones where given."""
    cells = np.frombuffer(payload, dtype=">i8").reshape(-1, 7)
    cells = cells[-last:] if last else cells
    times = cells[:, :2].astype(np.int64) + POSTGRES_EPOCH_MICROS
    values = np.ascontiguousarray(cells[:, 2:].T).view(">f8").astype(np.float64)
    return BarSeries(times[:, 0], times[:, 1], *values)


def copied_rows(stream: bytes) -> Iterator[tuple[bytes | None, ...]]:
    """Yield the fields of each row of a binary COPY, None for NULL."""
    view, at = memoryview(stream), COPY_HEAD_BYTES
    while (count := int.from_bytes(view[at : at + 2], "big", signed=True)) >= 0:
        at += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            length = int.from_bytes(view[at : at + 4], "big", signed=True)
            at += 4
            fields.append(None if length < 0 else bytes(view[at : at + length]))
            at += max(0, length)
        yield tuple(fields)
