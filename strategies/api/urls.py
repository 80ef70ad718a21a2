"""Addresses below /api/v1/ of the strategies floor."""

from strategies.api import views

ROUTES = (
    ("bot-proofs", views.BotProofView),
    ("signals", views.SignalView),
    ("holds", views.HoldView),
)
