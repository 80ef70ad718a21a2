"""Retraining: past indicator values and closes in, a candidate with its measures out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import datetime
from math import fsum, nan

import numpy as np

from domain.bars import FloatArray, IntArray, from_micros
from domain.errors import PlumblineError
from domain.signals import DEFAULT_WEIGHTS, SCORE_UNIT, WeightSet
from mlweights.labels import forward_return
from mlweights.optimizers.registry import Optimizer, OptimizerParameterError, load_optimizers
from mlweights.scoring import weigh


class TooLittleHistoryError(PlumblineError):
    """Not enough usable bars to learn from and to check on."""

    code = "too_little_history"


class TrainingDataError(PlumblineError):
    """The data handed in cannot be learned from."""

    code = "bad_training_data"


class ConstantFeatureError(PlumblineError):
    """An indicator or the label never changes over the training part."""

    code = "constant_feature"


class NothingLearnedError(PlumblineError):
    """The optimizer found no usable weight."""

    code = "nothing_learned"


class LearningSettingError(PlumblineError):
    """A learning setting lies outside its range."""

    code = "parameter_out_of_range"


@dataclass(frozen=True)
class TrainingData:
    """n bars known at the time of training, rising: the caller cuts them at its as-of.

    `normalised` is n x k in the order of `names`, NaN while warming up; `closes` are adjusted
    for splits; `closed_at` counts microseconds since 1970.
    """

    names: tuple[str, ...]
    normalised: FloatArray
    closes: FloatArray
    closed_at: IntArray

    def __post_init__(self) -> None:
        rows, columns = len(self.closes), len(self.names)
        if self.normalised.shape != (rows, columns) or len(self.closed_at) != rows:
            shape = f"{self.normalised.shape} values, {rows} closes, {len(self.closed_at)} instants"
            raise TrainingDataError(f"the columns differ in length: {shape}, {columns} names")
        if not columns:
            raise TrainingDataError("no indicator to learn from")
        if np.isinf(self.normalised).any():
            raise TrainingDataError("an indicator value is infinite")
        if not (np.isfinite(self.closes).all() and (self.closes > 0.0).all()):
            raise TrainingDataError("a close is missing, infinite or not above 0")
        if (np.diff(self.closed_at) <= 0).any():
            raise TrainingDataError("the bars are not in rising order")

    def data_hash(self) -> str:
        """Return the SHA-256 (hex) of names and every value."""
        digest = hashlib.sha256(json.dumps([list(self.names), len(self.closes)]).encode())
        # one bit pattern for every NaN
        values = np.where(np.isnan(self.normalised), np.nan, self.normalised)
        digest.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        digest.update(np.ascontiguousarray(self.closes, dtype="<f8").tobytes())
        digest.update(np.ascontiguousarray(self.closed_at, dtype="<i8").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class LearningSettings:
    """Label horizon in bars, share of time held out, share of bars meant to signal per side."""

    horizon: int = 5
    holdout_share: float = 0.25
    signal_share: float = 0.10
    fewest_train: int = 250
    fewest_holdout: int = 60

    def __post_init__(self) -> None:
        allowed = {
            "horizon": self.horizon >= 1,
            "holdout_share": 0.0 < self.holdout_share < 1.0,
            "signal_share": 0.0 < self.signal_share < 0.5,
            "fewest_train": self.fewest_train >= len(DEFAULT_WEIGHTS.names),
            "fewest_holdout": self.fewest_holdout > 1,
        }
        for name, is_allowed in allowed.items():
            if not is_allowed:
                raise LearningSettingError(f"{name} is {getattr(self, name)}, out of range")


@dataclass(frozen=True)
class Measures:
    """How a candidate did: rank correlations of score and forward return, None if undefined.

    `default_holdout_ic` is that of the default weights on the same held-out bars.
    """

    train_ic: float | None
    holdout_ic: float | None
    default_holdout_ic: float | None
    train_rows: int
    holdout_rows: int
    dropped_rows: int
    horizon: int
    train_from: datetime
    train_to: datetime
    holdout_from: datetime
    holdout_to: datetime

    def as_json(self) -> dict[str, float | int | str | None]:
        """Return the measures as plain JSON values, instants as ISO text."""
        plain = asdict(self)
        return {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in plain.items()
        }


@dataclass(frozen=True)
class Candidate:
    """Learned weights with everything needed to learn them again and to judge them."""

    weight_set: WeightSet
    measures: Measures
    data_hash: str
    optimizer: str
    parameters: Mapping[str, float] = field(default_factory=dict)


def retrain(
    data: TrainingData,
    optimizer: str = "ridge",
    *,
    parameters: Mapping[str, float] | None = None,
    settings: LearningSettings | None = None,
) -> Candidate:
    """Return weights learned on the older part of `data`, measured on the later part too.

    Same data and settings, same bits. `parameters` go to the optimizer.
    """
    settings = settings or LearningSettings()
    labels = forward_return(data.closes, settings.horizon)
    train, holdout = _split(data, labels, settings)
    _refuse_constants(data, labels, train)
    learner = _make(optimizer, parameters)
    fitted = learner.fit(data.normalised[train], labels[train])
    weights = _scaled(fitted, data.names)
    weight_set = _with_thresholds(data, weights, train, settings.signal_share)
    measures = Measures(
        train_ic=_score_ic(data, weight_set, labels, train),
        holdout_ic=_score_ic(data, weight_set, labels, holdout),
        default_holdout_ic=_default_ic(data, labels, holdout),
        train_rows=len(train),
        holdout_rows=len(holdout),
        dropped_rows=len(labels) - len(train) - len(holdout),
        horizon=settings.horizon,
        train_from=from_micros(int(data.closed_at[train[0]])),
        train_to=from_micros(int(data.closed_at[train[-1]])),
        holdout_from=from_micros(int(data.closed_at[holdout[0]])),
        holdout_to=from_micros(int(data.closed_at[holdout[-1]])),
    )
    made_with = asdict(learner) if is_dataclass(learner) else dict(parameters or {})
    return Candidate(
        weight_set, measures, data.data_hash(), optimizer, {**made_with, **asdict(settings)}
    )


def _split(
    data: TrainingData, labels: FloatArray, settings: LearningSettings
) -> tuple[IntArray, IntArray]:
    """Return the rows to learn on and, later in time, the rows held out.

    No training label looks past the cut: its last `horizon` rows are purged.
    """
    usable = np.flatnonzero(~(np.isnan(data.normalised).any(axis=1) | np.isnan(labels)))
    cut_place = int(len(usable) * (1.0 - settings.holdout_share))
    cut = int(usable[cut_place]) if cut_place < len(usable) else len(labels)
    train = usable[usable + settings.horizon < cut]
    holdout = usable[usable >= cut]
    if len(train) < settings.fewest_train or len(holdout) < settings.fewest_holdout:
        have = f"{len(train)} usable bars to learn on and {len(holdout)} to check on"
        need = f"{settings.fewest_train} and {settings.fewest_holdout} are needed"
        raise TooLittleHistoryError(f"too little history: {have}, {need}")
    return train, holdout


def _refuse_constants(data: TrainingData, labels: FloatArray, train: IntArray) -> None:
    for column, name in enumerate(data.names):
        if np.ptp(data.normalised[train, column]) == 0.0:
            raise ConstantFeatureError(f"the indicator '{name}' never changes over the training")
    if np.ptp(labels[train]) == 0.0:
        raise ConstantFeatureError("every forward return is the same: there is nothing to learn")


def _make(optimizer: str, parameters: Mapping[str, float] | None) -> Optimizer:
    factory = load_optimizers().get(optimizer)
    try:
        return factory(**dict(parameters or {}))
    except TypeError as error:
        raise OptimizerParameterError(f"optimizer '{optimizer}': {error}") from None


def _scaled(fitted: FloatArray, names: tuple[str, ...]) -> tuple[float, ...]:
    """Return the weights with absolute values adding up to 1, in steps of 1e-12.

    The step takes away the last bits, which linear algebra may change between processors.
    """
    plain = [float(weight) for weight in fitted]
    total = sum(abs(weight) for weight in plain)
    if len(plain) != len(names) or not 0.0 < total < float("inf"):
        raise NothingLearnedError(f"the optimizer returned no usable weights: {plain}")
    return tuple(round(weight / total, 12) for weight in plain)


def _with_thresholds(
    data: TrainingData, weights: tuple[float, ...], train: IntArray, share: float
) -> WeightSet:
    """Return the weights with thresholds that `share` of the training scores pass per side."""
    widest = WeightSet(data.names, weights, SCORE_UNIT, -SCORE_UNIT)
    scores = sorted(value for value in _scores(data, widest, train) if value is not None)
    place = int(share * len(scores))
    sell, buy = scores[place], scores[-1 - place]
    if sell >= buy:
        raise NothingLearnedError(f"the scores are too alike for thresholds: {sell} and {buy}")
    return WeightSet(data.names, weights, buy, sell)


def _scores(data: TrainingData, weight_set: WeightSet, rows: IntArray) -> list[int | None]:
    return [weigh(values, weight_set).value for values in data.normalised[rows].tolist()]


def _score_ic(
    data: TrainingData, weight_set: WeightSet, labels: FloatArray, rows: IntArray
) -> float | None:
    scores = [nan if value is None else value for value in _scores(data, weight_set, rows)]
    return rank_correlation(np.array(scores, dtype=np.float64), labels[rows])


def _default_ic(data: TrainingData, labels: FloatArray, rows: IntArray) -> float | None:
    """Return the default weights' measure, None unless every default indicator is in the data."""
    if not set(DEFAULT_WEIGHTS.names) <= set(data.names):
        return None
    columns = [data.names.index(name) for name in DEFAULT_WEIGHTS.names]
    values = data.normalised[:, columns]
    own = TrainingData(DEFAULT_WEIGHTS.names, values, data.closes, data.closed_at)
    return _score_ic(own, DEFAULT_WEIGHTS, labels, rows)


def rank_correlation(first: FloatArray, second: FloatArray) -> float | None:
    """Return Spearman's correlation, ties sharing their mean rank; None if a side is constant.

    Rows where either is NaN are left out.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    left, right = _ranks(first[both]), _ranks(second[both])
    if len(left) == 0:
        return None
    middle = (len(left) - 1) / 2.0
    pairs = list(zip((left - middle).tolist(), (right - middle).tolist(), strict=True))
    across = fsum(one * two for one, two in pairs)
    spread = fsum(one * one for one, _ in pairs) * fsum(two * two for _, two in pairs)
    return across / spread**0.5 if spread > 0.0 else None


def _ranks(values: FloatArray) -> FloatArray:
    """Return each value's place in rising order from 0, equal values sharing the mean place."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_place: FloatArray = last - (counts + 1) / 2.0
    return mean_place[group]
