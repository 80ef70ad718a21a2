"""Forward returns, unknown where the future is not there yet."""

import numpy as np
import pytest

from mlweights.labels import HorizonError, forward_return


def test_forward_return_when_horizon_is_two_looks_two_bars_ahead() -> None:
    labels = forward_return(np.array([10.0, 11.0, 12.0, 5.5]), 2)
    assert labels[:2].tolist() == [12.0 / 10.0 - 1.0, -0.5]
    assert np.isnan(labels[2:]).all()


@pytest.mark.parametrize("size", [0, 1, 3])
def test_forward_return_when_history_is_too_short_is_nan(size: int) -> None:
    labels = forward_return(np.full(size, 10.0), 3)
    assert len(labels) == size
    assert np.isnan(labels).all()


@pytest.mark.parametrize("horizon", [0, -1])
def test_forward_return_when_horizon_is_not_positive_is_refused(horizon: int) -> None:
    with pytest.raises(HorizonError, match="must be at least 1"):
        forward_return(np.ones(5), horizon)
