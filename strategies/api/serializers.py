"""Rows of the strategies floor, for reading."""

from marketdata.api.read_only import facts_of
from strategies.models import Bot, BotProof, Hold, Signal

BotSerializer = facts_of(Bot)
BotProofSerializer = facts_of(BotProof)
HoldSerializer = facts_of(Hold)
SignalSerializer = facts_of(Signal, told=("on_old_data",))
