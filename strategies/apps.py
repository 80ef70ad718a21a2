"""The Django app."""

from django.apps import AppConfig


class StrategiesConfig(AppConfig):
    """Names the app in the admin."""

    name = "strategies"
    verbose_name = "Strategies"
