"""The Django app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class RiskConfig(AppConfig):
    """Names the app; keeps a default profile."""

    name = "risk"
    verbose_name = "Risk"

    def ready(self) -> None:
        """Connect the reference row."""
        post_migrate.connect(_write_default_profile, sender=self)


def _write_default_profile(sender: AppConfig, using: str, **_: Any) -> None:
    sender.get_model("Profile")._default_manager.using(using).get_or_create(name="default")
