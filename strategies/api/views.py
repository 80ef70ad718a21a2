"""Read views of the strategies floor."""

from marketdata.api.read_only import view_of
from strategies.api import serializers

BotView = view_of(serializers.BotSerializer, lookup="name", words=("strategy",))
SignalView = view_of(serializers.SignalSerializer, words=("key", "timeframe"))
HoldView = view_of(serializers.HoldSerializer)
