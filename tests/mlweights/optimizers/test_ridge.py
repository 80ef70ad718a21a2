"""Ridge against the closed form, and its parameters at the door."""

import math

import numpy as np
import pytest

from mlweights.optimizers.registry import OptimizerParameterError, load_optimizers
from mlweights.optimizers.ridge import Ridge


def market(rows: int, seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    features = chance.uniform(-1.0, 1.0, (rows, 3)) * [1.0, 0.1, 0.5]
    labels = 0.02 * features[:, 0] - 0.01 * features[:, 2] + 0.01 * chance.standard_normal(rows)
    return features, labels


def test_ridge_when_compared_with_the_closed_form_agrees() -> None:
    features, labels = market(400)
    centred = (features - features.mean(0)) / features.std(0)
    aim = (labels - labels.mean()) / labels.std()
    gram = centred.T @ centred + 0.7 * len(labels) * np.eye(3)
    expected = np.linalg.solve(gram, centred.T @ aim) / features.std(0)
    assert np.allclose(Ridge(alpha=0.7).fit(features, labels), expected, rtol=1e-10)


def test_ridge_when_a_feature_is_noise_gives_it_little() -> None:
    weights = Ridge(alpha=0.01).fit(*market(4000))
    assert weights[0] > 10 * abs(weights[1]) * 0.1  # per standard deviation
    assert weights[2] < 0.0


def test_ridge_when_rows_repeat_keeps_its_weights() -> None:
    features, labels = market(300)
    twice = Ridge().fit(np.vstack([features, features]), np.hstack([labels, labels]))
    assert np.allclose(twice, Ridge().fit(features, labels), rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_ridge_when_alpha_is_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(OptimizerParameterError, match="alpha is"):
        Ridge(alpha=alpha)


@pytest.mark.parametrize("name", load_optimizers())
def test_every_optimizer_when_fitted_twice_gives_equal_finite_bits(name: str) -> None:
    features, labels = market(500)
    once, again = (load_optimizers().get(name)().fit(features, labels) for _ in range(2))
    assert once.shape == (3,)
    assert np.isfinite(once).all()
    assert once.tobytes() == again.tobytes()
