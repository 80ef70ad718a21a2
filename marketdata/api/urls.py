"""Addresses below /api/v1/ of the market data floor."""

from marketdata.api import views

ROUTES = (
    ("instruments", views.InstrumentView),
    ("bars", views.BarView),
    ("streams", views.StreamView),
    ("seals", views.SealView),
    ("splits", views.SplitView),
    ("accounts", views.AccountView),
    ("bar-imports", views.BarImportView),
    ("rejected-bars", views.RejectedBarView),
    ("late-bars", views.LateBarView),
)
