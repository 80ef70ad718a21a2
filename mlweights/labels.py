"""What learning aims at: what the price did after a bar."""

import numpy as np

from domain.bars import FloatArray
from domain.errors import PlumblineError


class HorizonError(PlumblineError):
    """The horizon is not a positive number of bars."""

    code = "bad_horizon"


def forward_return(close: FloatArray, horizon: int) -> FloatArray:
    """Return close[i + horizon] / close[i] - 1 per bar, NaN on the last `horizon` bars.

    The caller adjusts closes for splits; a bar's label is known only `horizon` bars later.
    """
    if horizon < 1:
        raise HorizonError(f"the horizon is {horizon} bars, must be at least 1")
    labels = np.full(len(close), np.nan)
    if len(close) > horizon:
        labels[:-horizon] = close[horizon:] / close[:-horizon] - 1.0
    return labels
