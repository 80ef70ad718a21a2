"""The packed form of bars: 56 bytes each, as the database sends its own values."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

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


def unpacked(payloads: Sequence[bytes | memoryview]) -> list[BarSeries]:
    """Return each payload's bars as columns, slices of arrays that all of them share."""
    ends = np.cumsum([0, *(len(one) // BYTES_PER_BAR for one in payloads)]).tolist()
    columns = np.empty((7, ends[-1]), dtype=np.int64)
    for payload, (first, end) in zip(payloads, pairwise(ends), strict=True):
        # Byte order and rows to columns in one pass.
        columns[:, first:end] = np.frombuffer(payload, dtype=">i8").reshape(-1, 7).T
    columns[:2] += POSTGRES_EPOCH_MICROS
    values = columns[2:].view(np.float64)
    return [
        BarSeries(*columns[:2, first:end], *values[:, first:end]) for first, end in pairwise(ends)
    ]


def copied_rows(stream: memoryview) -> Iterator[tuple[memoryview, ...]]:
    """Yield the fields of each row of a binary COPY without NULLs."""
    at = COPY_HEAD_BYTES
    while (count := int.from_bytes(stream[at : at + 2], "big", signed=True)) >= 0:
        at += 2
        fields: list[memoryview] = []
        for _ in range(count):
            length = int.from_bytes(stream[at : at + 4], "big")
            at += 4
            fields.append(stream[at : at + length])
            at += length
        yield tuple(fields)
