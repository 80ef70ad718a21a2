"""Indicator values and weights to one score, explained."""

from collections.abc import Sequence
from math import isnan

from domain.errors import PlumblineError
from domain.signals import SCORE_UNIT, Score, WeightSet, WeightSetError
from marketdata.indicators.registry import make_indicator, parse_spec


class ScoreInputError(PlumblineError):
    """The values handed in do not belong to the weights."""

    code = "score_input"


def refuse_unusable(weight_set: WeightSet) -> None:
    """Refuse names no indicator has, and features, which have no direction, with a weight."""
    for name, weight in zip(weight_set.names, weight_set.weights, strict=True):
        if not make_indicator(name.partition("@")[0]).is_directed and weight:
            raise WeightSetError(f"'{name}' is a feature without direction: its weight must be 0")
        parse_spec(name)


def weigh(normalised: Sequence[float | None], weight_set: WeightSet) -> Score:
    """Return the weighted mean of the values present; the missing are named and leave the rest.

    `normalised` lies in the order of the weights, None or NaN where an indicator has no value.
    """
    if len(normalised) != len(weight_set.names):
        counts = f"{len(normalised)} values for {len(weight_set.names)} weights"
        raise ScoreInputError(f"each weight needs one value, None if missing: got {counts}")
    present = [None if value is None or isnan(value) else value for value in normalised]
    missing = tuple(
        name
        for name, value, weight in zip(weight_set.names, present, weight_set.weights, strict=True)
        if value is None and weight
    )
    # Loops in the order of the weights: BLAS and sums along an axis give bits that depend on
    # the number of rows, and a stored score must come out again bit for bit.
    total = 0.0
    for value, weight in zip(present, weight_set.weights, strict=True):
        if value is not None:
            total += abs(weight)
    if total == 0.0:
        return Score(None, (None,) * len(present), missing)
    score = 0.0
    contributions: list[float | None] = []
    for value, weight in zip(present, weight_set.weights, strict=True):
        contribution = None if value is None else weight / total * value
        contributions.append(contribution)
        score += contribution or 0.0
    # round() is half to even on the exact float, like rint
    return Score(round(score * SCORE_UNIT), tuple(contributions), missing)
