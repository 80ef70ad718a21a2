"""Rows of the market data floor, for reading."""

from marketdata.api.read_only import facts_of
from marketdata.models import (
    Account,
    Bar,
    BarImport,
    Instrument,
    LateBar,
    RejectedBar,
    Seal,
    Split,
    Stream,
)

BAR_COLUMNS = (
    *("instrument", "timeframe", "opened_at", "closed_at"),
    *("open", "high", "low", "close", "volume"),
)

AccountSerializer = facts_of(Account)
BarSerializer = facts_of(Bar, fields=BAR_COLUMNS)
BarImportSerializer = facts_of(BarImport)
InstrumentSerializer = facts_of(Instrument)
LateBarSerializer = facts_of(LateBar)
RejectedBarSerializer = facts_of(RejectedBar)
SealSerializer = facts_of(Seal)
SplitSerializer = facts_of(Split)
StreamSerializer = facts_of(Stream)
