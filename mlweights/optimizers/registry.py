"""What a way of learning weights is, and the registry that finds every file of this folder."""

from collections.abc import Callable
from functools import cache
from typing import Protocol

import mlweights.optimizers as folder
from domain.bars import FloatArray
from domain.errors import PlumblineError
from domain.registry import Registry


class OptimizerParameterError(PlumblineError):
    """An optimizer's parameter is unknown or outside its range."""

    code = "parameter_out_of_range"


class Optimizer(Protocol):
    """Learns one weight per feature; parameters are fields given when it is made."""

    def fit(self, features: FloatArray, labels: FloatArray) -> FloatArray:
        """Return k weights for n x k features and n labels, all finite; same data, same bits."""
        ...


OPTIMIZERS: Registry[Callable[..., Optimizer]] = Registry("optimizer")


@cache
def load_optimizers() -> Registry[Callable[..., Optimizer]]:
    """Return the registry after importing every optimizer file, once."""
    OPTIMIZERS.load(folder)
    return OPTIMIZERS
