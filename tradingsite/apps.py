"""The Django app."""

from django.apps import AppConfig


class TradingsiteConfig(AppConfig):
    """Names the app in the admin."""

    name = "tradingsite"
    verbose_name = "Desk"
