"""The Django app."""

from datetime import UTC, datetime
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from domain.signals import DEFAULT_WEIGHTS

DEFAULT_LABEL = "default:1"
BEFORE_ALL_BARS = datetime(1900, 1, 1, tzinfo=UTC)


class MlweightsConfig(AppConfig):
    """Names the app; keeps the default weights a row like any other version."""

    name = "mlweights"
    verbose_name = "Weights"

    def ready(self) -> None:
        """Connect the reference row."""
        post_migrate.connect(_write_default_weights, sender=self)


def _write_default_weights(sender: AppConfig, using: str, **_: Any) -> None:
    sender.get_model("WeightVersion")._default_manager.using(using).get_or_create(
        label=DEFAULT_LABEL,
        defaults={
            "weights": list(zip(DEFAULT_WEIGHTS.names, DEFAULT_WEIGHTS.weights, strict=True)),
            "buy_threshold": DEFAULT_WEIGHTS.buy_threshold,
            "sell_threshold": DEFAULT_WEIGHTS.sell_threshold,
            "optimizer": "default",
            "state": "active",
            "active": True,
            "valid_from": BEFORE_ALL_BARS,
        },
    )
