"""Rows of the weights floor, for reading."""

from marketdata.api.read_only import facts_of
from mlweights.models import Score, TrainingRun, WeightVersion

ScoreSerializer = facts_of(Score, told=("on_old_data",))
TrainingRunSerializer = facts_of(TrainingRun, told=("on_old_data",))
WeightVersionSerializer = facts_of(WeightVersion)
