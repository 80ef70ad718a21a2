"""Bars packed for reading: whole windows of many instruments without a row for each bar."""

from datetime import datetime

from django.db import connection, transaction

from domain.bars import Timeframe
from marketdata.models import BarChunk
from marketdata.packed_bars import BARS_PER_CHUNK, PACK_SQL
from marketdata.services.ingest_bars import lock_series

# A chunk that must hold a bar known late grows until it closes after that; beyond this it waits.
LARGEST_CHUNK = 64 * BARS_PER_CHUNK

# A chunk is visible from its last close on, so whatever it holds must be known by then.
NEXT_CHUNKS = f"""
WITH numbered AS (
    SELECT b.*, (row_number() OVER (ORDER BY b.opened_at) - 1) / %(size)s AS part
    FROM marketdata_bar b
    WHERE b.instrument_id = %(instrument)s AND b.timeframe = %(timeframe)s
      AND b.opened_at >= %(since)s::timestamptz
), parts AS (
    SELECT part, min(b.opened_at) AS opened_from, max(b.closed_at) AS closed_to,
        count(*) AS bars, {PACK_SQL} AS payload,
        count(*) = %(size)s AND coalesce(max(b.known_at) < max(b.closed_at), true) AS is_whole
    FROM numbered b GROUP BY part
), whole AS (
    SELECT *, bool_and(is_whole) OVER (ORDER BY part) AS is_next FROM parts
)
INSERT INTO marketdata_barchunk (instrument_id, timeframe, opened_from, closed_to, bars, payload)
SELECT %(instrument)s, %(timeframe)s, opened_from, closed_to, bars, payload
FROM whole WHERE is_next ORDER BY part LIMIT %(most)s
"""


def pack_bars(*, instrument_id: int, timeframe: Timeframe) -> int:
    """Pack what of a series is not packed yet, all but its newest bars; return how many chunks."""
    packed = 0
    size = BARS_PER_CHUNK
    with transaction.atomic(), connection.cursor() as cursor:
        lock_series(instrument_id=instrument_id, timeframe=timeframe)
        while size <= LARGEST_CHUNK:
            cursor.execute(
                NEXT_CHUNKS,
                {
                    "instrument": instrument_id,
                    "timeframe": timeframe.value,
                    "since": _packed_to(instrument_id, timeframe),
                    "size": size,
                    "most": None if size == BARS_PER_CHUNK else 1,
                },
            )
            made = cursor.rowcount
            packed += made
            if made == 0:
                size *= 2
            elif size == BARS_PER_CHUNK:
                break
            else:
                size = BARS_PER_CHUNK
    return packed


def _packed_to(instrument_id: int, timeframe: Timeframe) -> datetime | str:
    newest = BarChunk.objects.filter(instrument_id=instrument_id, timeframe=timeframe.value)
    found = newest.order_by("-opened_from").values_list("closed_to", flat=True).first()
    return found or "-infinity"
