"""Tables of the weights floor."""

from mlweights.models.regime_models import RegimeModel
from mlweights.models.scores import Score
from mlweights.models.training_runs import TrainingRun
from mlweights.models.weight_versions import WeightVersion

__all__ = ["RegimeModel", "Score", "TrainingRun", "WeightVersion"]
