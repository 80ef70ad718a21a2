"""Addresses below /api/v1/ of the weights floor."""

from mlweights.api import views

ROUTES = (
    ("weight-versions", views.WeightVersionView),
    ("scores", views.ScoreView),
    ("training-runs", views.TrainingRunView),
    ("regime-models", views.RegimeModelView),
)
