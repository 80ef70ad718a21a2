"""The Django app."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

from execution.order_states import LATE_EDGES, ORDINARY_EDGES


class ExecutionConfig(AppConfig):
    """Names the app; fills the table of allowed edges whenever the tables are (re)made."""

    name = "execution"
    verbose_name = "Execution"

    def ready(self) -> None:
        """Connect the reference rows."""
        post_migrate.connect(_write_allowed_edges, sender=self)


def _write_allowed_edges(sender: AppConfig, using: str, **_: Any) -> None:
    edges = sender.get_model("AllowedEdge")._default_manager.using(using)
    for is_late, pairs in ((False, ORDINARY_EDGES), (True, LATE_EDGES)):
        for from_state, to_state in pairs:
            edges.get_or_create(
                from_state=from_state, to_state=to_state, defaults={"is_late_evidence": is_late}
            )
