"""The Django app."""

from django.apps import AppConfig


class MlweightsConfig(AppConfig):
    """Names the app in the admin."""

    name = "mlweights"
    verbose_name = "Weights"
