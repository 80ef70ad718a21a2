"""Addresses below /api/v1/ of the market data floor."""

from marketdata.api import views

ROUTES = (
    ("instruments", views.InstrumentView),
    ("bars", views.BarView),
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
