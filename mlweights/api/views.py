"""Read views of the weights floor."""

from marketdata.api.read_only import view_of
from mlweights.api import serializers
from mlweights.queries import run_on_old_data, score_on_old_data

WeightVersionView = view_of(
    serializers.WeightVersionSerializer, words=("label", "timeframe", "optimizer")
)
ScoreView = view_of(
    serializers.ScoreSerializer, words=("timeframe",), told={"on_old_data": score_on_old_data()}
)
TrainingRunView = view_of(
    serializers.TrainingRunSerializer,
    words=("timeframe", "optimizer"),
    told={"on_old_data": run_on_old_data()},
)
RegimeModelView = view_of(serializers.RegimeModelSerializer, words=("label", "timeframe", "method"))
