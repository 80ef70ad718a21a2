"""Rows of the weights floor, for reading."""

from marketdata.api.read_only import facts_of
from mlweights.models import Score, TrainingRun, WeightVersion

ScoreSerializer = facts_of(Score)
TrainingRunSerializer = facts_of(TrainingRun)
WeightVersionSerializer = facts_of(WeightVersion)
