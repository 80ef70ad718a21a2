"""Weights refused at the door, thresholds as integers, and JSON there and back."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.signals import DEFAULT_WEIGHTS, SCORE_UNIT, WeightSet, WeightSetError


def weights(**changes: object) -> WeightSet:
    usual = {
        "names": ("rsi", "macd"),
        "weights": (0.75, -0.25),
        "buy_threshold": 300,
        "sell_threshold": -300,
    }
    return WeightSet(**{**usual, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": (1.0,)}, "2 names and 1 weights"),
        ({"names": (), "weights": ()}, "every weight is zero"),
        ({"names": ("rsi", "rsi")}, "named twice"),
        ({"weights": (math.nan, 1.0)}, "weight of 'rsi' is nan"),
        ({"weights": (1.0, math.inf)}, "weight of 'macd' is inf"),
        ({"weights": (0.0, -0.0)}, "every weight is zero"),
        ({"weights": (1.7e308, 1.7e308)}, "too large"),
        ({"buy_threshold": 0.3}, "buy_threshold is 0.3"),
        ({"buy_threshold": True}, "buy_threshold is True"),
        ({"sell_threshold": -SCORE_UNIT - 1}, "sell_threshold is"),
        ({"sell_threshold": 300}, "must lie below"),
    ],
)
def test_weight_set_when_unusable_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(WeightSetError, match=said):
        weights(**changes)


@pytest.mark.parametrize(
    ("value", "side"), [(300, 1), (299, 0), (0, 0), (-299, 0), (-300, -1), (SCORE_UNIT, 1)]
)
def test_side_when_score_meets_a_threshold_counts_it_as_passed(value: int, side: int) -> None:
    assert weights().side_of(value) == side


@given(
    st.lists(
        st.floats(
            allow_nan=False, allow_infinity=False, width=64, max_value=1e300, min_value=-1e300
        ),
        min_size=1,
        max_size=8,
    ).filter(any),
    st.integers(-SCORE_UNIT, SCORE_UNIT - 1),
)
def test_weight_set_when_written_and_read_keeps_every_bit(
    values: list[float], sell_threshold: int
) -> None:
    names = tuple(f"i{place}" for place in range(len(values)))
    before = WeightSet(names, tuple(values), SCORE_UNIT, sell_threshold)
    assert WeightSet.from_json(before.to_json()) == before
    assert WeightSet.from_json(before.as_json()) == before
    assert WeightSet.from_json(before.to_json()).to_json() == before.to_json()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "{}", '{"names": ["rsi"]}', '{"names": 3, "weights": 4}'],
)
def test_weight_set_when_json_is_something_else_is_refused(text: str) -> None:
    with pytest.raises(WeightSetError, match="not a weight set"):
        WeightSet.from_json(text)


def test_weight_set_when_json_holds_nan_is_refused() -> None:
    plain = {**weights().as_json(), "weights": [math.nan, 1.0]}
    with pytest.raises(WeightSetError, match="is nan"):
        WeightSet.from_json(json.dumps(plain))


def test_default_weights_when_looked_at_are_equal() -> None:
    assert len(set(DEFAULT_WEIGHTS.weights)) == 1
    assert DEFAULT_WEIGHTS.sell_threshold == -DEFAULT_WEIGHTS.buy_threshold


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (399_999_999, ""),
        (400_000_000, "weak"),
        (599_999_999, "weak"),
        (600_000_000, "medium"),
        (800_000_000, "strong"),
        (SCORE_UNIT, "strong"),
        (-400_000_000, "weak"),
        (-850_000_000, "strong"),
    ],
)
def test_strength_when_scores_pass_the_threshold_tells_the_third_of_the_way(
    value: int, expected: str
) -> None:
    assert DEFAULT_WEIGHTS.strength_of(value) == expected


def test_strength_when_the_threshold_is_the_end_is_strong() -> None:
    widest = replace(DEFAULT_WEIGHTS, buy_threshold=SCORE_UNIT)
    assert widest.strength_of(SCORE_UNIT) == "strong"


@pytest.mark.parametrize(
    ("factor", "buy", "sell"),
    [
        (SCORE_UNIT, 400_000_000, -400_000_000),
        (1_250_000_000, 500_000_000, -500_000_000),
        (9 * SCORE_UNIT, SCORE_UNIT, -SCORE_UNIT),
    ],
)
def test_thresholds_when_scaled_move_away_from_zero_up_to_one(
    factor: int, buy: int, sell: int
) -> None:
    scaled = DEFAULT_WEIGHTS.scaled(factor)
    assert (scaled.buy_threshold, scaled.sell_threshold) == (buy, sell)
    assert (scaled.names, scaled.weights) == (DEFAULT_WEIGHTS.names, DEFAULT_WEIGHTS.weights)


def test_thresholds_when_scaled_by_odd_factors_round_to_the_nearest() -> None:
    odd = replace(DEFAULT_WEIGHTS, buy_threshold=3, sell_threshold=-3)
    scaled = odd.scaled(1_250_000_000)  # 3.75
    assert (scaled.buy_threshold, scaled.sell_threshold) == (4, -4)
