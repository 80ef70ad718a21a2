"""Whole series into columns: one binary COPY each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from domain.bars import BarSeries, IntArray, Timeframe

POSTGRES_EPOCH_MICROS = 946_684_800_000_000
HEAD_BYTES, TAIL_BYTES = 19, 2
PRICES = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One series of which bars are stored."""

    instrument_id: int
    timeframe: Timeframe


# Each step jumps to the next instrument in the key's index: bars are not counted through.
STORED = """
WITH RECURSIVE found AS (
    (SELECT instrument_id FROM marketdata_bar WHERE timeframe = %(timeframe)s
     ORDER BY instrument_id LIMIT 1)
    UNION ALL
    SELECT (SELECT b.instrument_id FROM marketdata_bar b WHERE b.timeframe = %(timeframe)s
            AND b.instrument_id > f.instrument_id ORDER BY b.instrument_id LIMIT 1)
    FROM found f WHERE f.instrument_id IS NOT NULL
)
SELECT instrument_id FROM found WHERE instrument_id IS NOT NULL
"""


def stored_series() -> list[StoredSeries]:
    """Return every series of which bars are stored, by instrument and timeframe."""
    found: list[StoredSeries] = []
    with connection.cursor() as cursor:
        for timeframe in Timeframe:
            cursor.execute(STORED, {"timeframe": timeframe.value})
            found += [StoredSeries(row[0], timeframe) for row in cursor.fetchall()]
    return sorted(found, key=lambda one: (one.instrument_id, one.timeframe.seconds))


def read_openings(
    *,
    instrument_id: int,
    timeframe: Timeframe,
    since: datetime | None = None,
    until: datetime | None = None,
) -> IntArray:
    """Return the opening instants of the stored bars in [since, until), epoch microseconds."""
    rows = _copied(("opened_at",), instrument_id, timeframe, since, until)
    return rows["opened_at"] + POSTGRES_EPOCH_MICROS


def read_series(
    *, instrument_id: int, timeframe: Timeframe, since: datetime | None = None
) -> BarSeries:
    """Return the stored bars that open from `since` on; nothing is left out as not known yet."""
    rows = _copied(("opened_at", "closed_at", *PRICES), instrument_id, timeframe, since)
    return BarSeries(
        *(rows[name] + POSTGRES_EPOCH_MICROS for name in ("opened_at", "closed_at")),
        *(rows[name].astype(np.float64) for name in PRICES),
    )


def _copied(
    names: Sequence[str],
    instrument_id: int,
    timeframe: Timeframe,
    since: datetime | None,
    until: datetime | None = None,
) -> NDArray[np.void]:
    """Return the columns as a structured array; every field is eight bytes wide, none is NULL."""
    columns = ["coalesce(volume, 'NaN')" if name == "volume" else f'"{name}"' for name in names]
    query = (
        f"SELECT {', '.join(columns)} FROM marketdata_bar"
        " WHERE instrument_id = %s AND timeframe = %s AND opened_at >= %s AND opened_at < %s"
        " ORDER BY opened_at"
    )
    buffer = BytesIO()
    with connection.cursor() as cursor:
        span = (since or "-infinity", until or "infinity")
        asked = cursor.mogrify(query, (instrument_id, timeframe.value, *span))
        cursor.copy_expert(f"COPY ({asked.decode()}) TO STDOUT (FORMAT binary)", buffer)
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name in names:
        fields += [(f"{name}_length", ">i4"), (name, ">f8" if name in PRICES else ">i8")]
    body = buffer.getbuffer()[HEAD_BYTES:-TAIL_BYTES]
    return np.frombuffer(body, dtype=np.dtype(fields))
