"""Tables of the market data floor."""

from marketdata.models.accounts import Account
from marketdata.models.bars import Bar, BarChunk, BarRevision
from marketdata.models.data_quality import DataFinding, DataGap
from marketdata.models.dividends import Dividend
from marketdata.models.imports import DataImport, DataRevision, RejectedRow
from marketdata.models.instruments import Instrument
from marketdata.models.providers import Provider, ProviderSymbol
from marketdata.models.splits import Split
from marketdata.models.streams import LateBar, Seal, Stream
from marketdata.models.ticks import (
    BookMessage,
    DepthLevel,
    OpenInterest,
    OptionQuote,
    Quote,
    QuoteBar,
    Retention,
    Tick,
)

__all__ = [
    "Account",
    "Bar",
    "BarChunk",
    "BarRevision",
    "BookMessage",
    "DataFinding",
    "DataGap",
    "DataImport",
    "DataRevision",
    "DepthLevel",
    "Dividend",
    "Instrument",
    "LateBar",
    "OpenInterest",
    "OptionQuote",
    "Provider",
    "ProviderSymbol",
    "Quote",
    "QuoteBar",
    "RejectedRow",
    "Retention",
    "Seal",
    "Split",
    "Stream",
    "Tick",
]
