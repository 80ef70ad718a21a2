"""Rows of the weights floor, for reading."""

from marketdata.api.read_only import facts_of
from mlweights.models import RegimeModel, Score, TrainingRun, WeightVersion

RegimeModelSerializer = facts_of(RegimeModel)
ScoreSerializer = facts_of(Score, told=("on_old_data",))
TrainingRunSerializer = facts_of(TrainingRun, told=("on_old_data",))
WeightVersionSerializer = facts_of(WeightVersion)
