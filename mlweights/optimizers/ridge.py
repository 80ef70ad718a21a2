"""Ridge regression: linear weights, held small so that kindred indicators share them."""

from dataclasses import dataclass
from math import inf

import numpy as np

from domain.bars import FloatArray
from mlweights.optimizers.registry import OPTIMIZERS, OptimizerParameterError


@OPTIMIZERS.register("ridge")
@dataclass(frozen=True)
class Ridge:
    """`alpha` is the penalty per row: 1 halves what a lone standardised feature would get."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < inf:
            raise OptimizerParameterError(f"alpha is {self.alpha}, must be above 0 and finite")

    def fit(self, features: FloatArray, labels: FloatArray) -> FloatArray:
        """Return one weight per column of `features`, per unit of the unscaled feature."""
        # Imported here: scikit-learn costs 4 CPU seconds that trading processes never need.
        from sklearn.linear_model import Ridge as Regression  # noqa: PLC0415

        spread = features.std(axis=0)
        scaled = (features - features.mean(axis=0)) / spread
        model = Regression(alpha=self.alpha * len(labels), solver="cholesky")
        model.fit(scaled, labels / labels.std())
        return np.asarray(model.coef_ / spread, dtype=np.float64)
