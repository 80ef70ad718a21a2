"""Read views of the strategies floor."""

from marketdata.api.read_only import view_of
from mlweights.queries import score_on_old_data
from strategies.api import serializers

BotView = view_of(serializers.BotSerializer, lookup="name", words=("strategy",))
BotProofView = view_of(serializers.BotProofSerializer, words=("fingerprint",))
SignalView = view_of(
    serializers.SignalSerializer,
    words=("key", "timeframe"),
    told={"on_old_data": score_on_old_data("score__")},
)
HoldView = view_of(serializers.HoldSerializer)
