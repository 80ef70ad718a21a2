"""The Django app that wires the floors together."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TradingsiteConfig(AppConfig):
    """Names the app in the admin; connects the listeners of the bus and the roles."""

    name = "tradingsite"
    verbose_name = "Desk"

    def ready(self) -> None:
        """Connect what listens; these modules need the models loaded first."""
        from tradingsite.access import audit, roles  # noqa: PLC0415
        from tradingsite.live import broadcast  # noqa: PLC0415
        from tradingsite.monitoring import heartbeats  # noqa: PLC0415

        audit.register()
        broadcast.register()
        heartbeats.connect()
        post_migrate.connect(roles.write_groups, sender=self)
