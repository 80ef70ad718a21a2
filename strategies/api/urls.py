"""Addresses below /api/v1/ of the strategies floor."""

from strategies.api import views

ROUTES = (
    ("bots", views.BotView),
    ("signals", views.SignalView),
    ("holds", views.HoldView),
)
