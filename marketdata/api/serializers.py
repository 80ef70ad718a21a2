"""Rows of the market data floor, for reading."""

from marketdata.api.read_only import facts_of
from marketdata.models import (
    Account,
    BarRevision,
    DataFinding,
    DataGap,
    DataImport,
    DataRevision,
    Dividend,
    Instrument,
    LateBar,
    Provider,
    ProviderSymbol,
    RejectedRow,
    Retention,
    Seal,
    Split,
    Stream,
)

AccountSerializer = facts_of(Account)
BarRevisionSerializer = facts_of(BarRevision)
DataFindingSerializer = facts_of(DataFinding)
DataGapSerializer = facts_of(DataGap)
DataImportSerializer = facts_of(DataImport)
DataRevisionSerializer = facts_of(DataRevision)
DividendSerializer = facts_of(Dividend)
InstrumentSerializer = facts_of(Instrument)
LateBarSerializer = facts_of(LateBar)
ProviderSerializer = facts_of(Provider)
ProviderSymbolSerializer = facts_of(ProviderSymbol)
RejectedRowSerializer = facts_of(RejectedRow)
RetentionSerializer = facts_of(Retention)
SealSerializer = facts_of(Seal)
SplitSerializer = facts_of(Split)
StreamSerializer = facts_of(Stream)
