"""Addresses below /api/v1/ of the market data floor."""

from marketdata.api import views
from marketdata.api.bars import BarView
from marketdata.api.chain import OptionChainView
from marketdata.api.coverage import CoverageView

ROUTES = (
    ("instruments", views.InstrumentView),
    ("bars", BarView),
    ("coverage", CoverageView),
    ("ticks", views.TickView),
    ("quotes", views.QuoteView),
    ("quote-bars", views.QuoteBarView),
    ("depth-levels", views.DepthLevelView),
    ("book-messages", views.BookMessageView),
    ("option-quotes", views.OptionQuoteView),
    ("option-chain", OptionChainView),
    ("open-interest", views.OpenInterestView),
    ("streams", views.StreamView),
    ("seals", views.SealView),
    ("splits", views.SplitView),
    ("accounts", views.AccountView),
    ("imports", views.DataImportView),
    ("rejected-rows", views.RejectedRowView),
    ("late-bars", views.LateBarView),
    ("bar-revisions", views.BarRevisionView),
    ("data-revisions", views.DataRevisionView),
    ("data-gaps", views.DataGapView),
    ("data-findings", views.DataFindingView),
    ("dividends", views.DividendView),
    ("providers", views.ProviderView),
    ("provider-symbols", views.ProviderSymbolView),
    ("retention", views.RetentionView),
)
