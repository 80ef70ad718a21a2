"""Addresses below /api/v1/ of the risk floor."""

from risk.api import views

ROUTES = (
    ("profiles", views.ProfileView),
    ("controls", views.ControlView),
    ("halts", views.HaltView),
    ("decisions", views.DecisionView),
)
