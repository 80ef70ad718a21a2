"""The ordered weighted mean: whole billionths, contributions that add up, the missing named."""

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bars import Timeframe, series_of
from domain.signals import DEFAULT_WEIGHTS, SCORE_UNIT, Score, WeightSet
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.registry import indicator_set
from mlweights.scoring import ScoreInputError, weigh
from tests.marketdata.indicators import suite

THREE = WeightSet(("a", "b", "c"), (0.5, -0.25, 0.25), 300_000_000, -300_000_000)
VALUE = st.none() | st.floats(-1.0, 1.0)
WEIGHT = st.floats(-10.0, 10.0).filter(lambda weight: weight == 0.0 or abs(weight) > 1e-6)


def test_weigh_when_all_present_is_the_weighted_mean() -> None:
    assert weigh((1.0, 0.5, -0.5), THREE) == Score(250_000_000, (0.5, -0.125, -0.125), ())


@pytest.mark.parametrize("gap", [None, math.nan])
def test_weigh_when_one_is_missing_names_it_and_shares_the_rest(gap: float | None) -> None:
    third = 0.25 / 0.75
    score = weigh((1.0, gap, -0.5), THREE)
    assert score == Score(500_000_000, (0.5 / 0.75, None, third * -0.5), ("b",))


def test_weigh_when_all_are_missing_has_no_score() -> None:
    assert weigh((None, math.nan, None), THREE) == Score(None, (None,) * 3, ("a", "b", "c"))


def test_weigh_when_only_weightless_are_present_has_no_score() -> None:
    weightless = WeightSet(("a", "b"), (0.0, 1.0), 1, -1)
    assert weigh((0.9, None), weightless) == Score(None, (None, None), ("b",))


@pytest.mark.parametrize("values", [(), (1.0, 2.0), (0.0,) * 4])
def test_weigh_when_counts_differ_is_refused(values: tuple[float, ...]) -> None:
    with pytest.raises(ScoreInputError, match="for 3 weights"):
        weigh(values, THREE)


@pytest.mark.parametrize(
    ("billionths", "rounded"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (0.75, 1)]
)
def test_weigh_when_half_way_rounds_to_even(billionths: float, rounded: int) -> None:
    one = WeightSet(("a",), (1.0,), 1, -1)
    value = billionths / SCORE_UNIT
    assert value * SCORE_UNIT == billionths  # exact here, so the half is a true half
    assert weigh((value,), one).value == rounded


def test_weigh_when_weights_scale_keeps_the_score() -> None:
    double = WeightSet(THREE.names, (1.0, -0.5, 0.5), 1, -1)
    assert weigh((0.3, -0.7, 0.9), double) == weigh((0.3, -0.7, 0.9), THREE)


@given(st.lists(st.tuples(VALUE, WEIGHT), min_size=1, max_size=9))
def test_weigh_when_values_are_any_stays_in_bounds_and_adds_up(
    pairs: list[tuple[float | None, float]],
) -> None:
    if not any(weight for _, weight in pairs):
        return
    names = tuple(f"i{place}" for place in range(len(pairs)))
    chosen = WeightSet(names, tuple(weight for _, weight in pairs), SCORE_UNIT, -SCORE_UNIT)
    score = weigh([value for value, _ in pairs], chosen)
    present = [(v, w) for v, w in pairs if v is not None]
    assert score.missing == tuple(
        name for name, (value, _) in zip(names, pairs, strict=True) if value is None
    )
    total = sum((abs(Fraction(w)) for _, w in present), Fraction(0))
    if total == 0:
        assert score.value is None
        return
    exact = sum((Fraction(w) * Fraction(v) for v, w in present), Fraction(0)) / total
    assert abs(score.value - exact * SCORE_UNIT) <= Fraction(1, 2) + Fraction(1, 10**5)
    assert abs(score.value) <= SCORE_UNIT
    running = 0.0
    for contribution in score.contributions:
        running += contribution or 0.0
    assert round(running * SCORE_UNIT) == score.value


def test_default_weights_when_used_on_real_days_change_side_some_times_a_year() -> None:
    for symbol in ("AAPL", "GOOG", "IBM", "MSFT"):
        series = series_of(suite.daily_bars(symbol))
        matrix = indicator_matrix(series, Timeframe.D1, indicator_set(DEFAULT_WEIGHTS.names))
        scores = [weigh(row, DEFAULT_WEIGHTS).value for row in matrix.normalised.tolist()]
        sides = [DEFAULT_WEIGHTS.side_of(score) for score in scores if score is not None]
        taken = [side for side in sides if side]
        changes = sum(1 for one, two in pairwise(taken) if one != two)
        assert 4 < changes / (len(sides) / 252) < 40
