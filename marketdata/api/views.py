"""Read views of the market data floor."""

from marketdata.api import serializers
from marketdata.api.history import history_of
from marketdata.api.read_only import view_of
from marketdata.models import (
    BookMessage,
    DepthLevel,
    OpenInterest,
    OptionQuote,
    Quote,
    QuoteBar,
    Tick,
)

TickView = history_of(Tick)
QuoteView = history_of(Quote)
QuoteBarView = history_of(QuoteBar)
DepthLevelView = history_of(DepthLevel)
BookMessageView = history_of(BookMessage)
OptionQuoteView = history_of(OptionQuote)
OpenInterestView = history_of(OpenInterest)

AccountView = view_of(serializers.AccountSerializer, lookup="name")
BarRevisionView = view_of(serializers.BarRevisionSerializer)
DataFindingView = view_of(serializers.DataFindingSerializer)
DataGapView = view_of(serializers.DataGapSerializer)
DataImportView = view_of(serializers.DataImportSerializer, words=("sha256",))
DataRevisionView = view_of(serializers.DataRevisionSerializer)
DividendView = view_of(serializers.DividendSerializer)
InstrumentView = view_of(serializers.InstrumentSerializer, words=("venue", "symbol", "currency"))
LateBarView = view_of(serializers.LateBarSerializer)
ProviderView = view_of(serializers.ProviderSerializer, lookup="name")
ProviderSymbolView = view_of(serializers.ProviderSymbolSerializer, words=("symbol",))
RejectedRowView = view_of(serializers.RejectedRowSerializer)
RetentionView = view_of(serializers.RetentionSerializer)
SealView = view_of(serializers.SealSerializer)
SplitView = view_of(serializers.SplitSerializer)
StreamView = view_of(serializers.StreamSerializer, lookup="name")
