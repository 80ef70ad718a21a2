"""Storage in rounds: bars are packed for reading, partitions past their retention dropped."""

from dataclasses import dataclass

import structlog

from marketdata.services.pack_bars import pack_bars
from marketdata.services.partitions import drop_old_partitions
from marketdata.services.read_series import stored_series

log = structlog.get_logger("data")


@dataclass(frozen=True, slots=True)
class Tidied:
    """What one round did."""

    series: int
    chunks: int
    dropped: list[str]


def tidy_storage() -> Tidied:
    """Pack what every series has not packed yet, then drop what is older than anybody wants."""
    series = stored_series()
    chunks = sum(
        pack_bars(instrument_id=one.instrument_id, timeframe=one.timeframe) for one in series
    )
    dropped = drop_old_partitions()
    if dropped:
        log.info("partitions dropped", names=dropped)
    return Tidied(len(series), chunks, dropped)
