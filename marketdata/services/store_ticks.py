"""Raw ticks kept as they came: idempotent, in batches, through the staging of large tables."""

import numpy as np
from django.db import transaction

from domain.bars import IntArray
from domain.ticks import TickArray
from marketdata.services.staging import TICKS, StagedRows, Table, TableStaging

# Many instruments in one batch: the rows carry their own.
ANY_TICKS = Table(TICKS.name, (("instrument_id", "bigint"), *TICKS.columns), TICKS.key, TICKS.time)


def store_ticks(*, ticks: TickArray, source_id: int | None = None) -> StagedRows:
    """Store ticks in order of arrival; ticks of one instant must come in one batch.

    Their `seq` numbers those of one instrument and instant, so a second time changes nothing.
    """
    if not len(ticks):
        return StagedRows(0, 0)
    size = len(ticks)
    with transaction.atomic(), TableStaging(ANY_TICKS) as staging:
        staging.add(
            {
                "instrument_id": ticks["instrument"].astype(np.int64),
                "ts": ticks["ts"],
                "seq": places_in_instant(ticks),
                "price": ticks["price"],
                "size": ticks["size"],
                "side": ticks["side"],
                "exchange": np.full(size, ""),
                "cond": np.full(size, ""),
                "is_suspicious": np.zeros(size, dtype=np.bool_),
                "trade_id": np.ma.masked_all(size, dtype=np.int64),
            },
            np.arange(size, dtype=np.int64),
        )
        return staging.store(instrument_id=None, source_id=source_id)


def places_in_instant(ticks: TickArray) -> IntArray:
    """Return each tick's number among those of its instrument and instant, by arrival."""
    order = np.lexsort((ticks["ts"], ticks["instrument"]))
    ts, instrument = ticks["ts"][order], ticks["instrument"][order]
    is_first = np.ones(len(ticks), dtype=np.bool_)
    is_first[1:] = (np.diff(ts) != 0) | (np.diff(instrument) != 0)
    starts = np.flatnonzero(is_first)
    places = np.empty(len(ticks), dtype=np.int64)
    repeats = np.diff(np.append(starts, len(ticks)))
    places[order] = np.arange(len(ticks)) - np.repeat(starts, repeats)
    return places
