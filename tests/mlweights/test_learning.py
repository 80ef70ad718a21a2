"""Retraining: an honest split, the same bits each time, and refusals in words."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domain.bars import Timeframe, from_micros, series_of
from domain.registry import UnknownPluginError
from domain.signals import DEFAULT_WEIGHTS
from marketdata.indicators.blocks import indicator_matrix
from marketdata.indicators.registry import indicator_set
from mlweights.learning import (
    ConstantFeatureError,
    LearningSettingError,
    LearningSettings,
    NothingLearnedError,
    TooLittleHistoryError,
    TrainingData,
    TrainingDataError,
    rank_correlation,
    retrain,
)
from mlweights.optimizers.registry import OPTIMIZERS, OptimizerParameterError
from mlweights.scoring import weigh
from tests.marketdata.indicators import suite

DAY = 86_400_000_000


def planted(rows: int = 1200, seed: int = 6, edge: float = 0.004) -> TrainingData:
    """Return a made-up market whose next-day return follows +a, -b and not c."""
    chance = np.random.default_rng(seed)
    values = chance.uniform(-1.0, 1.0, (rows, 3))
    moves = edge * (values[:, 0] - 0.5 * values[:, 1]) + 0.01 * chance.standard_normal(rows)
    closes = 100.0 * np.cumprod(1.0 + np.concatenate([[0.0], moves[:-1]]))
    values[:20] = np.nan
    return TrainingData(("a", "b", "c"), values, closes, np.arange(1, rows + 1) * DAY)


def real(symbol: str = "IBM") -> TrainingData:
    series = series_of(suite.daily_bars(symbol))
    matrix = indicator_matrix(series, Timeframe.D1, indicator_set())
    return TrainingData(matrix.names, matrix.normalised, series.close, series.closed_at)


ONE_BAR = LearningSettings(horizon=1)


def test_retrain_when_weights_are_planted_finds_sign_and_order() -> None:
    candidate = retrain(planted(), settings=ONE_BAR)
    a, b, c = candidate.weight_set.weights
    assert a > -b > abs(c)
    assert candidate.measures.holdout_ic > 0.1
    assert math.fsum(map(abs, candidate.weight_set.weights)) == pytest.approx(1.0, abs=1e-11)
    assert candidate.measures.default_holdout_ic is None  # the default indicators are not there


def test_retrain_when_market_is_noise_shows_no_edge_out_of_sample() -> None:
    results = [
        retrain(planted(seed=seed, edge=0.0), settings=ONE_BAR).measures.holdout_ic
        for seed in range(12)
    ]
    # 295 rows: one standard error is 0.058, and of twelve the mean has 0.017
    assert abs(sum(results) / len(results)) < 0.07


def test_retrain_when_split_in_time_purges_the_labels_that_cross_the_cut() -> None:
    data, settings = planted(1000), LearningSettings(horizon=7, holdout_share=0.3)
    measures = retrain(data, settings=settings).measures
    usable = range(20, 993)  # after warm-up, before the last seven labels
    cut = usable[int(len(usable) * 0.7)]
    assert measures.holdout_rows == 993 - cut
    assert measures.train_rows == cut - 7 - 20
    assert measures.dropped_rows == 1000 - measures.train_rows - measures.holdout_rows
    assert measures.train_from == from_micros(21 * DAY)
    assert measures.train_to == from_micros((cut - 7) * DAY)
    assert measures.holdout_from == from_micros((cut + 1) * DAY)
    assert measures.holdout_to == from_micros(993 * DAY)


def test_retrain_when_held_out_part_changes_learns_the_same_weights() -> None:
    data = planted(1000)
    start = 20 + int((999 - 20) * 0.75)
    closes, values = data.closes.copy(), data.normalised.copy()
    closes[start:] *= np.random.default_rng(1).uniform(0.5, 1.5, 1000 - start)
    values[start:] *= -0.5
    changed = replace(data, closes=closes, normalised=values)
    one, two = retrain(data, settings=ONE_BAR), retrain(changed, settings=ONE_BAR)
    assert one.weight_set == two.weight_set
    assert one.measures.train_ic == two.measures.train_ic
    assert one.measures.holdout_ic != two.measures.holdout_ic
    assert one.data_hash != two.data_hash


def test_retrain_when_thresholds_are_set_the_stated_share_signals() -> None:
    data, settings = planted(1000), LearningSettings(horizon=1, signal_share=0.05)
    candidate = retrain(data, settings=settings)
    train = data.normalised[20 : 20 + candidate.measures.train_rows].tolist()
    scores = [weigh(row, candidate.weight_set).value for row in train]
    sides = [candidate.weight_set.side_of(score) for score in scores]
    assert sides.count(1) / len(sides) == pytest.approx(0.05, abs=0.003)
    assert sides.count(-1) / len(sides) == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize("symbol", ["AAPL", "GOOG", "IBM", "MSFT"])
def test_retrain_when_data_is_real_measures_against_the_default_weights(symbol: str) -> None:
    candidate = retrain(real(symbol))
    measures = candidate.measures
    assert candidate.weight_set.names == DEFAULT_WEIGHTS.names
    assert measures.train_ic > 0.0
    assert -1.0 < measures.holdout_ic < 1.0
    assert -1.0 < measures.default_holdout_ic < 1.0
    assert candidate.optimizer == "ridge"
    assert candidate.parameters == {
        "alpha": 1.0,
        "horizon": 5,
        "holdout_share": 0.25,
        "signal_share": 0.1,
        "fewest_train": 250,
        "fewest_holdout": 60,
    }
    assert measures.as_json()["train_to"] == measures.train_to.isoformat()


def test_retrain_when_names_are_reordered_measures_the_default_weights_the_same() -> None:
    data = real()
    turned = replace(data, names=data.names[::-1], normalised=data.normalised[:, ::-1])
    one, two = retrain(data), retrain(turned)
    assert one.measures.default_holdout_ic == two.measures.default_holdout_ic
    assert one.weight_set.weights == pytest.approx(two.weight_set.weights[::-1], abs=1e-9)


SCRIPT = """
from tests.mlweights.test_learning import real
from mlweights.learning import retrain
candidate = retrain(real())
print(candidate.weight_set.to_json(), candidate.measures, candidate.data_hash)
"""


def test_retrain_when_thread_counts_differ_gives_the_same_bits() -> None:
    root = Path(__file__).parents[2]
    said = set()
    for threads in ("1", "2"):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONPATH": str(root),
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        said.add(done.stdout)
    candidate = retrain(real())
    here = f"{candidate.weight_set.to_json()} {candidate.measures} {candidate.data_hash}\n"
    assert said == {here}


def test_data_hash_when_one_bit_changes_differs_and_nan_has_one_form() -> None:
    data = planted(400)
    odd_nan = np.frombuffer(np.int64(0x7FF8000000000123).tobytes(), dtype=np.float64)[0]
    values = data.normalised.copy()
    values[0, 0] = odd_nan
    assert replace(data, normalised=values).data_hash() == data.data_hash()
    hashes = {
        data.data_hash(),
        replace(data, names=("a", "b", "d")).data_hash(),
        replace(data, closes=np.nextafter(data.closes, 1e9)).data_hash(),
        replace(data, closed_at=data.closed_at + 1).data_hash(),
        replace(data, normalised=np.nextafter(data.normalised, 2.0)).data_hash(),
    }
    assert len(hashes) == 5


@pytest.mark.parametrize("rows", [0, 1, 5, 30, 400])
def test_retrain_when_history_is_too_short_says_how_much_is_needed(rows: int) -> None:
    settings = LearningSettings(fewest_train=320)
    whole = planted(1200)
    short = TrainingData(
        whole.names, whole.normalised[:rows], whole.closes[:rows], whole.closed_at[:rows]
    )
    with pytest.raises(TooLittleHistoryError, match="320 and 60 are needed"):
        retrain(short, settings=settings)


def test_retrain_when_an_indicator_is_constant_names_it() -> None:
    data = planted()
    values = data.normalised.copy()
    values[20:, 1] = 0.25
    with pytest.raises(ConstantFeatureError, match="'b' never changes"):
        retrain(replace(data, normalised=values))


def test_retrain_when_prices_stand_still_says_so() -> None:
    data = planted()
    with pytest.raises(ConstantFeatureError, match="every forward return is the same"):
        retrain(replace(data, closes=np.full(len(data.closes), 7.0)))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 0.0, -5.0])
def test_training_data_when_a_close_is_unusable_is_refused(bad: float) -> None:
    data = planted(400)
    closes = data.closes.copy()
    closes[7] = bad
    with pytest.raises(TrainingDataError, match="a close is"):
        replace(data, closes=closes)


def test_training_data_when_a_value_is_infinite_is_refused() -> None:
    data = planted(400)
    values = data.normalised.copy()
    values[7, 0] = -math.inf
    with pytest.raises(TrainingDataError, match="infinite"):
        replace(data, normalised=values)


def test_training_data_when_columns_do_not_fit_is_refused() -> None:
    data = planted(400)
    for changes in (
        {"names": ("a", "b")},
        {"closes": data.closes[1:]},
        {"closed_at": data.closed_at[1:]},
    ):
        with pytest.raises(TrainingDataError, match="differ in length"):
            replace(data, **changes)
    with pytest.raises(TrainingDataError, match="rising order"):
        replace(data, closed_at=data.closed_at[::-1])
    with pytest.raises(TrainingDataError, match="no indicator"):
        replace(data, names=(), normalised=data.normalised[:, :0])


def test_retrain_when_gaps_lie_inside_drops_those_rows() -> None:
    data = planted()
    values = data.normalised.copy()
    values[100:130, 2] = np.nan
    whole, gapped = retrain(data).measures, retrain(replace(data, normalised=values)).measures
    assert gapped.dropped_rows == whole.dropped_rows + 30


@pytest.mark.parametrize(
    "changes",
    [
        {"horizon": 0},
        {"holdout_share": 0.0},
        {"holdout_share": 1.0},
        {"signal_share": 0.5},
        {"signal_share": math.nan},
        {"fewest_train": 2},
        {"fewest_holdout": 1},
    ],
)
def test_settings_when_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(LearningSettingError, match="out of range"):
        LearningSettings(**changes)


def test_retrain_when_optimizer_or_parameter_is_unknown_is_refused() -> None:
    with pytest.raises(UnknownPluginError, match="unknown optimizer 'oracle'"):
        retrain(planted(), "oracle")
    with pytest.raises(OptimizerParameterError, match="beta"):
        retrain(planted(), parameters={"beta": 1.0})


@pytest.mark.parametrize("weights", [[0.0, 0.0, 0.0], [math.nan, 1.0, 1.0], [1.0, 2.0]])
def test_retrain_when_optimizer_learns_nothing_usable_is_refused(
    weights: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lazy:
        def fit(self, _features: np.ndarray, _labels: np.ndarray) -> np.ndarray:
            return np.array(weights)

    monkeypatch.setitem(OPTIMIZERS._plugins, "lazy", Lazy)
    with pytest.raises(NothingLearnedError, match="no usable weights"):
        retrain(planted(), "lazy")


def test_rank_correlation_when_worked_by_hand_matches() -> None:
    one = np.array([1.0, 2.0, 2.0, 9.0, np.nan])
    # ranks 0, 1.5, 1.5, 3 against 0, 1, 3, 2: covariance 3, spreads 4.5 and 5
    two = np.array([-4.0, 0.0, 8.0, 7.0, 1.0])
    assert rank_correlation(one, two) == pytest.approx(3.0 / math.sqrt(4.5 * 5.0), rel=1e-12)
    assert rank_correlation(one, one) == pytest.approx(1.0)
    assert rank_correlation(one, -one) == pytest.approx(-1.0)


def test_rank_correlation_when_a_side_is_constant_or_empty_is_none() -> None:
    assert rank_correlation(np.ones(5), np.arange(5.0)) is None
    assert rank_correlation(np.array([np.nan]), np.array([1.0])) is None


def test_scikit_learn_when_learning_is_imported_is_not_loaded() -> None:
    script = (
        "import sys, mlweights.learning, mlweights.scoring\n"
        "from mlweights.optimizers.registry import load_optimizers\n"
        "from marketdata.indicators.registry import load_indicators\n"
        "load_optimizers(); load_indicators()\n"
        "print([one for one in ('sklearn', 'scipy', 'django', 'talib') if one in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout == "[]\n"
