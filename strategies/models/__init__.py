"""Tables of the strategies floor."""

from strategies.models.bots import Bot, BotProof
from strategies.models.signals import Hold, Signal

__all__ = ["Bot", "BotProof", "Hold", "Signal"]
