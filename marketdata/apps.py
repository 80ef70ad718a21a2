"""The Django app."""

from django.apps import AppConfig


class MarketdataConfig(AppConfig):
    """Names the app in the admin."""

    name = "marketdata"
    verbose_name = "Market data"
