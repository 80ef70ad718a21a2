"""What kind of market it is: a detector's codes in words, and a mixture fitted to the past."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.bars import FloatArray, IntArray, from_micros
from domain.errors import PlumblineError
from domain.signals import Regime
from marketdata.indicators.columns import CLOSE, CLOSED, HIGH, LOW, OPENED
from marketdata.indicators.fold import outputs_over
from marketdata.indicators.regime_mixture import (
    DEFAULT,
    STANDSTILL,
    RegimeMixtureParams,
    fitted_regime,
    unfitted_numbers,
)

BoolArray = NDArray[np.bool_]

# What the codes of a detector's first two outputs mean.
TRENDS = ("ranging", "trending", "volatile")
VOLATILITIES = ("low", "high")

FEWEST_ROWS = 250
LEAST_SPAN = 1e-3  # of a move or a logarithm of range: less is no difference
MOST_ROWS = 100_000  # the newest; more take minutes and say the same
SEED = 0  # the library asks for one
# Between two kinds, in standard deviations: closer ones are one kind. Random walks end at 0.3 to
# 1.2, the demo stocks at 1.8 to 3.
LEAST_DISTANCE = 1.5


@dataclass(frozen=True)
class _Start:
    """Where a search begins: each Gaussian's weight, and the quantile of each feature."""

    weights: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]


# ranging: small moves, usual ranges; trending: large moves; volatile: wide ranges
KINDS_START = _Start((0.5, 0.25, 0.25), ((0.2, 0.3), (0.9, 0.3), (0.5, 0.9)))
LEVELS_START = _Start((0.7, 0.3), ((0.3,), (0.9,)))


class RegimesNotFittedError(PlumblineError):
    """The bars cannot tell regimes apart."""

    code = "regimes_not_fitted"


@dataclass(frozen=True)
class FittedRegimes:
    """What `fitted_regime` takes, with everything needed to fit it again and to judge it."""

    numbers: tuple[float, ...]
    measures: dict[str, Any]
    data_hash: str


def regime_of(outputs: Sequence[float]) -> Regime:
    """Return a detector's first two outputs in words; nothing can be said while they are NaN."""
    trend, volatility = outputs[0], outputs[1]
    if isnan(trend) or isnan(volatility):
        return Regime()
    return Regime(TRENDS[int(trend)], VOLATILITIES[int(volatility)])


def over_holes(opened_at: FloatArray, holes: IntArray, reach: int) -> BoolArray:
    """Tell per bar whether one is missing between it and the bar `reach` before."""
    begins = opened_at[np.maximum(np.arange(len(opened_at)) - reach, 0)]
    found: BoolArray = np.searchsorted(holes, opened_at) > np.searchsorted(holes, begins)
    return found


def fit_regimes(
    bars: FloatArray, holes: IntArray | None = None, params: RegimeMixtureParams = DEFAULT
) -> FittedRegimes:
    """Return Gaussians fitted to the moves and ranges of `bars`: COLUMNS x n, split-adjusted.

    Windows that reach over a missing bar (`holes`, opening instants in microseconds) or do not
    move teach nothing. Same bars, same numbers.
    """
    rows, pairs = _usable(bars, holes, params)
    kinds, levels = _mixture(pairs, KINDS_START), _mixture(pairs[:, 1:], LEVELS_START)
    kind_order, level_order = _kind_order(kinds), np.argsort(levels.centres[:, 0]).tolist()
    lows, highs = pairs.min(axis=0), pairs.max(axis=0)
    numbers = (
        *(float(params.period), params.confidence, float(params.memory)),
        *(lows[0], highs[0], lows[1], highs[1]),
        *(kinds.spread[0, 0], kinds.spread[0, 1], kinds.spread[1, 1]),
        *kinds.as_numbers(kind_order),
        levels.spread[0, 0],
        *levels.as_numbers(level_order),
    )
    measures = {
        "rows": len(rows),
        "dropped_rows": bars.shape[1] - len(rows),
        "from": from_micros(int(bars[CLOSED, rows[0]])).isoformat(),
        "to": from_micros(int(bars[CLOSED, rows[-1]])).isoformat(),
        "log_likelihood": _short(kinds.likelihood),
        "kinds": kinds.told(TRENDS, kind_order, ("move", "range")),
        "levels": levels.told(VOLATILITIES, level_order, ("range",)),
    }
    return FittedRegimes(tuple(_short(one) for one in numbers), measures, _hash(bars, rows))


def _usable(
    bars: FloatArray, holes: IntArray | None, params: RegimeMixtureParams
) -> tuple[IntArray, FloatArray]:
    """Return the bars to learn from, and the move and the range of each."""
    measured = outputs_over((fitted_regime(unfitted_numbers(params)),), bars)[0]
    pairs = measured[-3:-1].T
    # a market that stands still has no range to take the logarithm of: NaN or at the limit
    usable = np.abs(pairs[:, 1]) < STANDSTILL
    if holes is not None:
        usable &= ~over_holes(bars[OPENED], holes, params.period)
    rows: IntArray = np.flatnonzero(usable)[-MOST_ROWS:]
    if len(rows) < FEWEST_ROWS:
        raise RegimesNotFittedError(
            f"too little history for regimes: {len(rows)} usable bars, {FEWEST_ROWS} are needed"
        )
    if (np.ptp(pairs[rows], axis=0) < LEAST_SPAN).any():
        raise RegimesNotFittedError("move or range never changes: there are no regimes to fit")
    return rows, pairs[rows]


@dataclass(frozen=True)
class _Mixture:
    """Weights and centres of k Gaussians that spread alike; `spread` whitens a distance."""

    weights: FloatArray
    centres: FloatArray
    spread: FloatArray
    likelihood: float

    def as_numbers(self, order: Sequence[int]) -> list[float]:
        """Return each Gaussian's log weight and centre."""
        return [one for at in order for one in (log(self.weights[at]), *self.centres[at])]

    def told(
        self, names: Sequence[str], order: Sequence[int], features: Sequence[str]
    ) -> dict[str, dict[str, float]]:
        """Return by name the Gaussians' shares and centres, to look at."""
        return {
            name: {
                "share": _short(self.weights[at]),
                **{
                    feature: _short(value)
                    for feature, value in zip(features, self.centres[at], strict=True)
                },
            }
            for name, at in zip(names, order, strict=True)
        }


def _mixture(values: FloatArray, begin: _Start) -> _Mixture:
    """Return Gaussians fitted to the rows, the search begun at quantiles: no chance in it.

    They share one covariance: borders are then straight lines, and a market calmer than any
    before is never taken for the kind that merely varies most.
    """
    from sklearn.mixture import GaussianMixture  # noqa: PLC0415 - takes seconds, only to fit

    middle, width = values.mean(axis=0), values.std(axis=0)
    plain = (values - middle) / width
    model = GaussianMixture(
        len(begin.weights),
        covariance_type="tied",
        weights_init=begin.weights,
        means_init=[
            [np.quantile(plain[:, place], share) for place, share in enumerate(shares)]
            for shares in begin.quantiles
        ],
        precisions_init=2.0 * np.eye(values.shape[1]),  # half the variance lies within a kind
        init_params="random_from_data",  # overruled by the three above, and cheap
        tol=1e-5,
        max_iter=2000,
        random_state=SEED,
    )
    model.fit(plain)
    apart = _least_distance(model.means_ @ model.precisions_cholesky_)
    if not model.converged_ or apart < LEAST_DISTANCE:
        raise RegimesNotFittedError(
            f"the bars show no kinds of market apart: {apart:.2f} spreads between the closest two,"
            f" {LEAST_DISTANCE} are needed"
        )
    return _Mixture(
        weights=model.weights_,
        centres=middle + width * model.means_,
        spread=model.precisions_cholesky_ / width[:, np.newaxis],
        likelihood=float(model.score(plain)),
    )


def _least_distance(points: FloatArray) -> float:
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(points, 2))


def _kind_order(mixture: _Mixture) -> list[int]:
    """Return ranging, trending, volatile: the widest range is volatile, then the moves decide."""
    by_range = sorted(range(len(TRENDS)), key=lambda kind: mixture.centres[kind, 1])
    return [*sorted(by_range[:2], key=lambda kind: mixture.centres[kind, 0]), by_range[2]]


def _short(value: float) -> float:
    """Return the value with 9 digits: the last bits may differ between processors."""
    return float(f"{value:.9g}")


def _hash(bars: FloatArray, rows: IntArray) -> str:
    """Return the SHA-256 (hex) of every price and closing instant, and of the rows used."""
    digest = hashlib.sha256()
    for column in (HIGH, LOW, CLOSE, CLOSED):
        digest.update(np.ascontiguousarray(bars[column], dtype="<f8").tobytes())
    digest.update(rows.astype("<i8").tobytes())
    return digest.hexdigest()
