"""Tables of the strategies floor."""

from strategies.models.bots import Bot
from strategies.models.signals import Hold, Signal

__all__ = ["Bot", "Hold", "Signal"]
