"""Read views of the weights floor."""

from marketdata.api.read_only import view_of
from mlweights.api import serializers

WeightVersionView = view_of(
    serializers.WeightVersionSerializer, words=("label", "timeframe", "optimizer")
)
ScoreView = view_of(serializers.ScoreSerializer, words=("timeframe",))
TrainingRunView = view_of(serializers.TrainingRunSerializer, words=("timeframe", "optimizer"))
