"""The Django app."""

from django.apps import AppConfig


class RiskConfig(AppConfig):
    """Names the app in the admin."""

    name = "risk"
    verbose_name = "Risk"
